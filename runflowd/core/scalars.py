"""What a plain YAML scalar means: what JSON calls a number is one, and nearly all the rest is text.

PyYAML would read `no` as false, `1:30` as 90 and `0644` as 420. Here they are the words they look like.
"""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LONGEST = 30


class NotANumberError(ValueError):
    """A scalar is written as a number that no program could keep."""


def plain_value(text: str) -> str | float | bool | None:
    """The value of a scalar that stands without quotes; raise NotANumberError with the remedy."""
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    if len(text) > _LONGEST:
        raise NotANumberError("is too long for a number; put it in quotes if it is text")
    if not number[1] and not number[2]:
        return int(text)
    if math.isinf(value := float(text)):
        raise NotANumberError("is too large for a number; put it in quotes if it is text")

    return value
