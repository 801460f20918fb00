"""What to write instead: PyYAML's syntax errors, completed by the remedy for the usual slips."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from runflowd.config.yaml.lookalikes import in_line

if TYPE_CHECKING:
    from runflowd.core.model import Json


_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_TWO_COLONS = re.compile(r":\s[^,{}\[\]]*:\s")
_DRIVE = re.compile(r'"[A-Za-z]:\\')
_COLON = "put text that holds a colon and a space in quotes"
_WINDOWS = "that is a path of Windows; write where it lies on this machine, such as /mnt/photos"


def on_one_line(value: Json) -> str:
    """A value as an example writes it: `{quiet: 5s, max_items: 100}`."""
    written: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)

    return written.removesuffix("...\n").strip()


def explained(error: yaml.MarkedYAMLError, text: str) -> tuple[int, int, str]:
    """Line and column of a syntax error, PyYAML's sentence and, for the usual slips, what to write instead.

    The place is where it was noticed, or that of the very character that is to be another one. (0, 0) is the whole.
    """
    mark = error.problem_mark or error.context_mark
    said = ": ".join(part for part in (error.context, error.problem) if part)
    if mark is None:
        return 0, 0, said
    lines = text.split("\n")
    began = error.context_mark.line if error.context_mark else mark.line
    for number in range(min(mark.line, len(lines) - 1), began - 1, -1):
        if found := in_line(lines[number]):
            return number + 1, found.index + 1, f"{said}; {found.message(found.index + 1)}"
    written = lines[mark.line] if mark.line < len(lines) else ""
    opened = f"opened on line {began + 1}" if error.context_mark else "opened above"
    remedy = next((remedy for slipped, remedy in _slips(said, written, mark.column + 1, opened) if slipped), "")
    return mark.line + 1, mark.column + 1, f"{said}; {remedy}" if remedy else said


def _slips(said: str, written: str, column: int, opened: str) -> list[tuple[bool, str]]:
    """Whether each of the usual slips was made on the line as `written`, and its remedy; the likeliest first."""
    indentation = written[: len(written) - len(written.lstrip())]
    before, sign = written[: column - 1], written[column - 1 : column]
    misplaced = "mapping values are not allowed" in said
    plain = _QUOTED.sub("''", written)
    return [
        ("\t" in indentation, "the line is indented with a tab, YAML takes spaces only"),
        ("${" in plain, 'inside [ ] or { } a placeholder needs quotes, such as "${file.url}"'),
        (sign in {"@", "`", "%"}, f"put text that starts with {sign} in quotes"),
        ("scanning an alias" in said, "put text that starts with * in quotes"),
        (misplaced and ": " in before, _COLON),
        (misplaced, "the line is indented too far, or the one before it lacks its colon"),
        ("flow mapping" in said and _TWO_COLONS.search(plain) is not None, _COLON),
        ("flow" in said and "expected ','" in said, f"close the bracket {opened}"),
        ("escape character" in said and _DRIVE.search(written) is not None, _WINDOWS),
        ("escape character" in said, "in double quotes a backslash begins an escape; put the text in single quotes"),
        ("quoted scalar" in said, f"close the quotes {opened}"),
        (
            "expected key" in said or "expected <block end>" in said,
            "the line is indented like none of those above it, align it with them",
        ),
    ]
