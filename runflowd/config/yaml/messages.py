"""What to write instead: PyYAML's syntax errors, completed by the remedy for the usual slips."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml


def syntax_message(error: yaml.MarkedYAMLError, text: str, line: int, column: int) -> str:
    """PyYAML's sentence and, for the usual slips, what to write instead."""
    lines = text.split("\n")
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    said = ": ".join(part for part in (error.context, error.problem) if part)
    opened = f"opened on line {error.context_mark.line + 1}" if error.context_mark else "opened above"
    remedy = next((remedy for slipped, remedy in _slips(said, written, column, opened) if slipped), "")
    return f"{said}; {remedy}" if remedy else said


def _slips(said: str, written: str, column: int, opened: str) -> list[tuple[bool, str]]:
    """Whether each of the usual slips was made on the line as `written`, and its remedy; the likeliest first."""
    indentation = written[: len(written) - len(written.lstrip())]
    before, sign = written[: column - 1], written[column - 1 : column]
    misplaced = "mapping values are not allowed" in said
    return [
        ("\t" in indentation, "the line is indented with a tab, YAML takes spaces only"),
        ("${" in written, 'inside [ ] or { } a placeholder needs quotes, such as "${file.url}"'),
        (sign in {"@", "`", "%"}, f"put text that starts with {sign} in quotes"),
        (misplaced and ": " in before, "put text that holds a colon and a space in quotes"),
        (misplaced, "the line is indented too far, or the one before it lacks its colon"),
        ("flow" in said and "expected ','" in said, f"close the bracket {opened}"),
        ("quoted scalar" in said, f"close the quotes {opened}"),
        (
            "expected key" in said or "expected <block end>" in said,
            "the line is indented like none of those above it, align it with them",
        ),
    ]
