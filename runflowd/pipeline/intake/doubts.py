"""Files of which the bytes cannot tell whether they are whole: a decoder is asked, once they have stood still."""

from __future__ import annotations

import math
from contextlib import ExitStack
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.decoder import Ended, Verdict
from runflowd.pipeline.intake.findings import Doubted, Unfinished
from runflowd.pipeline.intake.inspect import guarded, hashed
from runflowd.pipeline.intake.overrides import Overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runflowd.core.model import Rule
    from runflowd.decoder import Decoder
    from runflowd.pipeline.intake.findings import Finding

_AS_USUAL = Verdict(decoded=True)
NOT_REACHED = Unfinished("it waits for its turn to be decoded", ItemState.WAITING, "STILL_CHANGING")


def settle_doubts(
    rule: Rule,
    doubts: Mapping[str, Doubted],
    still: Mapping[str, float],
    decoder: Decoder,
    on_progress: Callable[[], None],
) -> list[tuple[str, Finding]]:
    """What each file in doubt is, by what a decoder makes of it. Blocking.

    `still` is for how many seconds each has not changed: none is decoded before it is ripe, so that what grows
    is not decoded again and again.
    """
    ripe = {path: doubt for path, doubt in doubts.items() if still.get(path, 0.0) >= doubt.ripe_after}
    found: list[tuple[str, Finding]] = [(path, doubt) for path, doubt in doubts.items() if path not in ripe]
    closed = {mime for mime in {doubt.mime for doubt in ripe.values()} if not decoder.opens(mime)}
    taken = {path for path, doubt in ripe.items() if doubt.usual and doubt.mime in closed}
    asked = {path: doubt for path, doubt in ripe.items() if path not in taken}
    verdicts = _decoded(rule, asked, decoder, on_progress) if asked else {}
    overrides = Overrides(rule)
    for path, verdict in (*verdicts.items(), *((path, _AS_USUAL) for path in taken)):
        doubt = ripe[path]
        if verdict is None or not verdict.decoded or still[path] < doubt.needed:
            found.append((path, _not_yet(doubt, verdict)))
        else:
            take = partial(hashed, rule, path, doubt.stat, doubt.mime, overrides, on_progress)
            found.append((path, guarded(doubt.stat, take)))
    return found


def _decoded(
    rule: Rule, ripe: Mapping[str, Doubted], decoder: Decoder, on_progress: Callable[[], None]
) -> dict[str, Verdict | None]:
    """A verdict on each file; None for one that there was no time for. Those that cannot be opened are left out."""
    with ExitStack() as opened:
        asked: dict[str, tuple[int, str]] = {}
        for path, doubt in ripe.items():
            try:
                source = opened.enter_context(files.open_source(rule.watch, path))
            except files.FileError:
                continue  # told where it is read next
            asked[path] = source.descriptor, doubt.mime
        try:
            verdicts = decoder.judge([*asked.values()], rule.watch, on_progress)
        except Ended:
            verdicts = []
        return dict(zip_longest(asked, verdicts))


def _not_yet(doubt: Doubted, verdict: Verdict | None) -> Unfinished:
    if verdict is None:
        return NOT_REACHED
    if not verdict.decoded:
        reason = verdict.words if doubt.usual else f"{doubt.reason}; {verdict.words}"
        return Unfinished(reason, stillness=math.inf)
    reason = f"{doubt.reason}; a decoder opens it, so it is taken once it has not changed for {doubt.needed:.0f} s"
    return Unfinished(reason, ItemState.WAITING, "STILL_CHANGING", doubt.needed)
