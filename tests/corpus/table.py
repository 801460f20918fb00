"""The counts by format, and the files that went another way than they should."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.corpus.judging import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.corpus.judging import Judged

HEAD = ("format", "files", "decode", "sent", "refused, though they decode", "parts", "sent at once", "sent later")


def lines(found: Sequence[Judged]) -> Iterator[str]:
    """A table in Markdown; behind it each file that decodes and is refused, and each part that is sent at once."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{' --- |' * len(HEAD)}"
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for each in found:
        groups[each.mime].append(each)
    for mime in sorted(groups):
        yield f"| {' | '.join(map(str, _row(mime, groups[mime])))} |"
    yield ""
    for each in found:
        if each.decodes and each.whole is Fate.NOT:
            yield f"refused, though it decodes: {each.name}: {each.why}"
        at_once = [share for share, fate in each.cut.items() if fate is Fate.AT_ONCE]
        if at_once:
            decoding = "all of it decodes" if all(map(each.still_decodes.get, at_once)) else "not all of it decodes"
            yield f"sent at once with {', '.join(map(str, at_once))} % of it: {each.name}: {decoding}"


def _row(mime: str, group: Sequence[Judged]) -> tuple[object, ...]:
    parts = [(fate, each.still_decodes.get(share)) for each in group for share, fate in each.cut.items()]
    return (
        mime,
        len(group),
        sum(each.decodes for each in group if each.decodes is not None) if group[0].decodes is not None else "",
        sum(each.whole is not Fate.NOT for each in group),
        sum(bool(each.decodes) and each.whole is Fate.NOT for each in group),
        len(parts),
        _count([decodes for fate, decodes in parts if fate is Fate.AT_ONCE]),
        _count([decodes for fate, decodes in parts if fate is Fate.LATER]),
    )


def _count(decodes: Sequence[bool | None]) -> str:
    whole = sum(map(bool, decodes))
    return f"{len(decodes)} ({whole} of them decode)" if whole else str(len(decodes))
