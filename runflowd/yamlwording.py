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
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return f"{said}; the line is indented with a tab, YAML takes spaces only"
    if "${" in written:
        return f'{said}; inside [ ] or {{ }} a placeholder needs quotes, such as "${{file.url}}"'
    if written[column - 1 : column] in {"@", "`", "%"}:
        return f"{said}; put text that starts with {written[column - 1]} in quotes"
    if "mapping values are not allowed" in said:
        return f"{said}; put text that holds a colon and a space in quotes"

    return said
