"""What becomes of a file as it is and cut short: as intake would decide, with the same walk and the same decoder."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from pictures import BytesSource

from runflowd.core.media.image_type import SNIFF_BYTES, Partial
from runflowd.core.media.input_type import Acceptable, Doubtful, NotAccepted, announced, check
from runflowd.core.media.kinds import MediaKind
from runflowd.files import ignore_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runflowd.core.media.input_type import Check
    from runflowd.decoder import Decoder

SHARES = (30, 60, 90, 99)
"""Per cent of a file that are left of it."""

KINDS = tuple(kind for kind in MediaKind if kind is not MediaKind.TEXT)
BATCH = 48


class Fate(Enum):
    """What intake does."""

    AT_ONCE = "sent at once"
    LATER = "sent after it has not changed for long"
    NOT = "not sent"


@dataclass(slots=True)
class Judged:
    """One file: whether a decoder opens it (None: none can be asked), and the fate of it and of its parts."""

    name: str
    mime: str
    decodes: bool | None
    whole: Fate
    why: str
    cut: dict[int, Fate] = field(default_factory=dict)
    still_decodes: dict[int, bool] = field(default_factory=dict)


def judge(files: Sequence[tuple[str, bytes]], decoder: Decoder) -> Iterator[Judged]:
    """The fate of each file that is of a kind that some rule takes."""
    taken = [(name, data, mime) for name, data in files if (mime := announced(data[:SNIFF_BYTES]))]
    parts = [
        _Part(mime, content, content is data, check(BytesSource(content), KINDS))
        for _, data, mime in taken
        for content in (data, *(data[: len(data) * share // 100] for share in SHARES))
    ]
    asked = [part for part in parts if part.asked]
    for part, decodes in zip(asked, _decoded([(each.content, each.mime) for each in asked], decoder), strict=True):
        part.decodes = decodes
    for number, (name, _, mime) in enumerate(taken):
        whole, *cut = parts[number * (1 + len(SHARES)) :][: 1 + len(SHARES)]
        fates = {share: each.fate for share, each in zip(SHARES, cut, strict=True)}
        still = {share: bool(each.decodes) for share, each in zip(SHARES, cut, strict=True)}
        yield Judged(name, mime, whole.decodes, whole.fate, getattr(whole.found, "reason", ""), fates, still)


@dataclass(slots=True)
class _Part:
    """A file, or what is left of one: what the walk says, and whether it decodes (None: that was not asked)."""

    mime: str
    content: bytes
    whole: bool
    found: Check
    decodes: bool | None = None

    @property
    def asked(self) -> bool:
        certain = not self.whole and isinstance(self.found, Partial | NotAccepted)
        return self.mime.startswith(("image/", "video/", "audio/")) and not certain

    @property
    def fate(self) -> Fate:
        match self.found:
            case Acceptable(mime, stillness) if stillness and not mime.startswith("image/"):
                return Fate.NOT if self.decodes is False else Fate.LATER
            case Acceptable(_, stillness):
                return Fate.LATER if stillness else Fate.AT_ONCE
            case Doubtful():
                return Fate.LATER if self.decodes else Fate.NOT
            case _:
                return Fate.NOT


def _decoded(files: Sequence[tuple[bytes, str]], decoder: Decoder) -> Iterator[bool]:
    """Whether each of these decodes; asked again for those that there was no time for."""
    while files:
        with ExitStack() as opened:
            asked = [(_in_memory(data, opened), mime) for data, mime in files[:BATCH]]
            verdicts = decoder.judge(asked, "/media", ignore_progress)
        yield from (verdict.decoded for verdict in verdicts)
        files = files[len(verdicts) :]


def _in_memory(data: bytes, opened: ExitStack) -> int:
    descriptor = os.memfd_create("medium")
    opened.callback(os.close, descriptor)
    os.write(descriptor, data)
    return descriptor
