"""A sentence that an address carries to the next screen: shown only with the seal of who was to be told it.

Without the seal, whoever makes a link to a screen could put their words on it.
"""

from __future__ import annotations

import hmac

from runflowd.web.formatting import shown


def tell(sentence: str, token: str) -> dict[str, str]:
    """What the query of an address takes; `token` is that of the visitor whom it is for."""
    words = shown(sentence)
    return {"told": words, "seal": _seal(words, token)}


def told(words: str, seal: str, token: str) -> str:
    """The sentence, "" where the seal is not that of this visitor."""
    genuine = hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(words, token).encode())
    return words if genuine else ""


def _seal(words: str, token: str) -> str:
    return hmac.new(token.encode(), b"told:" + words.encode("utf-8", "replace"), "sha256").hexdigest()
