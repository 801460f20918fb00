"""Which items of a batch ended since the last look, by what the batch itself tells of them.

Reading the items in full costs a request a page, so they are read when one of them is known to have ended,
or when the batch tells so little that nobody could know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from runflowd.core.results import Answered, Sent, match

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class Listed(Answered, Protocol):
    """An item as the batch lists it."""

    @property
    def ended(self) -> bool: ...


S = TypeVar("S", bound=Sent)


def newly_ended(
    sent: Sequence[S], waiting: Collection[S], listed: Iterable[Listed], count: int | None
) -> frozenset[str] | None:
    """The references of the `waiting` items that have ended; None when only reading all of them can tell.

    `listed` are the items whose status the batch gives, `count` how many it says have ended, None where it
    does not. Either may lie: what counts is what the items then say.
    """
    rows = list(listed)
    references = {item.client_ref for item in waiting}
    ended = {item.client_ref for item, row in match(sent, rows).pairs if row.ended} & references
    if ended:
        return frozenset(ended)
    if count is None:
        return frozenset() if rows else None
    return None if count > len(sent) - len(references) else frozenset()
