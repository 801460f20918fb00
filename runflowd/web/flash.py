"""Flash messages: a sentence that an address carries to the next screen, shown only with the seal of whom it is for.

Without the seal, whoever makes a link to a screen could put their words on it.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from runflowd.web.formatting import shown


class Outcome(NamedTuple):
    """What came of a button: how many files, or a sentence where that does not say it all.

    `then` is what is offered next, `why` the item of whose rejection a reason may be given.
    """

    done: int | str
    then: str = ""
    why: int = 0


def flash(sentence: str, token: str) -> dict[str, str]:
    """What the query of an address takes; `token` is that of the visitor whom it is for."""
    words = shown(sentence)
    return {"message": words, "seal": _seal(words, token)}


def flashed(words: str, seal: str, token: str) -> str:
    """The sentence, "" where the seal is not that of this visitor."""
    genuine = hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(words, token).encode())
    return words if genuine else ""


def offer(what: str, token: str) -> dict[str, str]:
    """The same of something that is offered next, in words of the program."""
    return {"then": f"{what}.{_seal(what, token, 'then')}"}


def offered(then: str, token: str) -> str:
    """What is offered, "" where the seal is not that of this visitor."""
    what, _, seal = then.rpartition(".")
    genuine = hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(what, token, "then").encode())
    return what if genuine else ""


def _seal(words: str, token: str, kind: str = "message") -> str:
    return hmac.new(token.encode(), f"{kind}:".encode() + words.encode("utf-8", "replace"), "sha256").hexdigest()
