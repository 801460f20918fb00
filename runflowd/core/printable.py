"""Foreign text made fit to show: no control characters, no secrets.

File names may hold newlines, terminal escapes and bytes that are no UTF-8; URLs of uploads and
results carry signatures in their query. Everything that reaches a log, an error or a page passes here.
Whoever may name a file may choose the text, so each pattern takes linear time: no two of its starts read the
same letters.
"""

from __future__ import annotations

import re
import unicodedata

_ADDRESS = re.compile(r"""(://)([^\s/?#@"'<>]+@)?([^\s?#"'<>]*)([?#][^\s"'<>]*)?""")
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


def named(character: str) -> str:
    """A character that cannot be seen, or looks like another one, as `U+00A0 NO-BREAK SPACE`."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' {name}' if name else ''}"


def scrubbed(text: str) -> str:
    """The text without URL queries, logins in URLs, bearer tokens and API keys."""
    if "://" in text:
        text = _ADDRESS.sub(_bare, text)
    lowered = text.lower()  # a look for a word is quicker than its pattern, and most texts hold none
    if "bearer" in lowered or "basic" in lowered:
        text = _BEARER.sub(r"\1 ***", text)
    return _KEY.sub(r"\1***", text) if "rf" in text else text


_SECRET_NAMES = ("key", "token", "secret", "password", "credential", "auth")


def names_a_secret(name: str) -> bool:
    """Whether what is called so is shown to nobody."""
    return any(word in name.lower() for word in _SECRET_NAMES)


def _bare(address: re.Match[str]) -> str:
    return address[1] + address[3] + ("?..." if address[4] else "")


SHORT_ID = 8
"""Letters by which a batch of ours is known: its id is 32 random digits."""


def short_id(identifier: str) -> str:
    """How a batch is named wherever there is no room for its whole id; the log, which has that, is found by it."""
    return identifier[:SHORT_ID]


def shortened(text: str, most: int) -> str:
    """At most `most` letters of a text; one that is longer ends at a word, with an ellipsis."""
    return text if len(text) <= most else _cut(text, most)


def _cut(text: str, most: int) -> str:
    head = text[: most - 1]
    end = head.rfind(" ") if text[most - 1 : most] not in {"", " "} else len(head)
    return head[: end if end > most // 2 else len(head)].rstrip(" ,;:") + "…"


def excerpt(text: str, most: int) -> str:
    """At most `most` letters of foreign text, on one line and without secrets; what is cut off is never looked at."""
    # A secret that begins before the cut is seen as long as twice that is read.
    found = printable(scrubbed(text[: 2 * most]))
    return found if len(found) <= most and len(text) <= 2 * most else _cut(found, most)
