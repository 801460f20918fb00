"""Foreign text made fit to show: no control characters, no secrets.

File names may hold newlines, terminal escapes and bytes that are no UTF-8; URLs of uploads and
results carry signatures in their query. Everything that reaches a log, an error or a page passes here.
"""

from __future__ import annotations

import re

_QUERY = re.compile(r"""(\b[a-z][a-z0-9+.-]*://[^\s?#"'<>]*)[?#][^\s"'<>]*""", re.IGNORECASE)
_LOGIN = re.compile(r"""(\b[a-z][a-z0-9+.-]*://)[^\s/?#@"'<>]+@""", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_KEY = re.compile(r"\b(rfk?_[A-Za-z0-9_]{8})[A-Za-z0-9_]{4,}")


def printable(text: str) -> str:
    """The text on one line: control characters and undecodable bytes as backslash escapes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    # os.fsdecode turns an undecodable byte 0xNN into the lone surrogate 0xDCNN.
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")


def scrubbed(text: str) -> str:
    """The text without URL queries, logins in URLs, bearer tokens and API keys."""
    if "://" in text:
        text = _LOGIN.sub(r"\1", _QUERY.sub(r"\1?...", text))
    text = _BEARER.sub(r"\1 ***", text)
    return _KEY.sub(r"\1***", text)
