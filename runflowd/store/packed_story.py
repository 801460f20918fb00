"""A few steps as bytes: what nearly every story says stands in a dictionary, and a story in what it says besides.

JSON, deflated without a header (RFC 1951). The moments after the first are seconds since that, to a millisecond.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_COMMON = (
    b'"result: "run run-,"downloading","succeeded and cost $0.0"submitted","bought in batch batch-"queued","sealed in '
    b'batch , as one of 100"ready","stable, 000 bytes, image/jpeg, content "done",""],['
)
"""Never to be changed: what was packed is unpacked with it. What zlib finds near the end of it takes least."""

_WINDOW = -12
"""4 KiB, and no header."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where an item stood after a step at `at` (epoch seconds), with the code of a failure and words for people."""

    at: float
    state: ItemState
    code: str
    detail: str


def pack(steps: Sequence[Step]) -> bytes:
    """Steps, of which there is one at least, as bytes."""
    start = steps[0].at
    rows = [(round(each.at - start, 3), each.state, each.code, each.detail) for each in steps]
    text = json.dumps([start, rows], separators=(",", ":"), ensure_ascii=False)
    packer = zlib.compressobj(level=1, wbits=_WINDOW, zdict=_COMMON)
    return packer.compress(text.encode()) + packer.flush()


def unpack(data: bytes) -> list[Step]:
    """What was packed."""
    start, rows = json.loads(zlib.decompressobj(wbits=_WINDOW, zdict=_COMMON).decompress(data))
    return list(_steps(start, rows))


def _steps(start: float, rows: Iterable[tuple[float, str, str, str]]) -> Iterable[Step]:
    for after, state, code, detail in rows:
        yield Step(start + after, ItemState(state), code, detail)
