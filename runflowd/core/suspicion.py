"""Refusals that name nothing: is one file at fault, or the rule that all of them share?

What two different files share is the rule's. One file alone is asked about once more after a while, since the
next one may tell. While other files of the rule are taken, whoever is refused is at fault itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

REMEMBERED = 200
"""Files at fault that are kept in mind."""

TAKEN_LATELY = 600.0
"""Seconds for which a purchase speaks for its rule."""

_OF_ONE_FILE = re.compile(r"""["'`][^"'`]*["'`]|\S*[\d/]\S*""")


class Cause(StrEnum):
    """What a refusal without a name is taken for."""

    OPEN = "open"
    """Nobody knows yet: the file is to be asked about again."""
    FILE = "file"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What was refused without a name under one rule text: `words` of the refusal, `files` refused alone.

    Files are named by their content. `halved` says that a whole batch was refused in these words,
    `guilty` which files were refused while others of the rule were taken, `taken_at` (epoch seconds) when one last was.
    """

    words: str = ""
    files: tuple[str, ...] = ()
    halved: bool = False
    guilty: tuple[str, ...] = ()
    taken_at: float | None = None

    def of_batch(self, message: str) -> tuple[Suspicion, Cause]:
        """A batch of several files was refused. `Cause.FILE` says that it is to be halved, `OPEN` to be sampled."""
        now = self._in(message)
        if len(now.files) > 1:
            return now, Cause.RULE
        return replace(now, halved=True), Cause.OPEN if now.halved else Cause.FILE

    def of_file(self, message: str, content: str, now: float) -> tuple[Suspicion, Cause]:
        """One file alone was refused."""
        before = self._in(message)
        if content in before.guilty or before.speaks_for_rule(now):
            return before, Cause.FILE
        known = replace(before, files=(*dict.fromkeys((*before.files, content)),))
        if len(known.files) > 1:
            return known, Cause.RULE
        return known, Cause.FILE if content in before.files else Cause.OPEN

    def relieved(self, now: float) -> Suspicion:
        """A purchase under the same rule text was taken, so it was never the rule."""
        return Suspicion(self.words, guilty=(*self.guilty, *self.files)[-REMEMBERED:], taken_at=now)

    def speaks_for_rule(self, now: float) -> bool:
        """Whether a purchase of late shows that the rule is good."""
        return self.taken_at is not None and 0 <= now - self.taken_at < TAKEN_LATELY

    def _in(self, message: str) -> Suspicion:
        """What is known in these words; other words are another matter."""
        words = " ".join(_OF_ONE_FILE.sub("", message).lower().split())
        return self if words == self.words else Suspicion(words, taken_at=self.taken_at)
