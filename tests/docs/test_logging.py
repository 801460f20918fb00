"""Every line of the log names its action."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import runflowd

PACKAGE = Path(runflowd.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
SPEAKERS = {"log", "logger", "storms", "structlog"}
SPOKEN = re.compile(rf"({'|'.join(SPEAKERS)})\.({'|'.join(LEVELS)})\(")


def calls_without_action(source: str) -> list[int]:
    """The lines of calls such as `log.info(...)` and `context.storms.warning(...)` that name no action."""
    found: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
            continue
        speaker = node.func.value
        name = speaker.attr if isinstance(speaker, ast.Attribute) else getattr(speaker, "id", "")
        if name.lstrip("_") in SPEAKERS and not any(_names_action(each) for each in node.keywords):
            found.append(node.lineno)
    return found


def _names_action(keyword: ast.keyword) -> bool:
    """`action=...`, or `extra={"action": ...}` where the standard library's logging is spoken."""
    inside = keyword.value.keys if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict) else []
    return keyword.arg == "action" or any(isinstance(each, ast.Constant) and each.value == "action" for each in inside)


def test_every_log_line_has_an_action() -> None:
    """Alerts match the action; the sentence is for people and may change."""
    poor = {
        str(path.relative_to(PACKAGE)): lines
        for path in sorted(PACKAGE.rglob("*.py"))
        if SPOKEN.search(source := path.read_text()) and (lines := calls_without_action(source))
    }

    assert poor == {}


def test_a_line_without_an_action_is_found() -> None:
    """The test above looks at what it claims to look at."""
    source = "log.info('a', action='b')\nlog.warning('c')\nself._context.storms.error('d', code='e')\n"

    assert calls_without_action(source) == [2, 3]
