"""What a plan sees in a folder before any file is judged: its listings, and the entries that are no files."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from runflowd import files
from runflowd.pipeline.intake.fates import Fate, Planned
from runflowd.pipeline.intake.folder_pages import folders_of, page_of
from runflowd.pipeline.intake.output_places import OUTPUT_INSIDE
from runflowd.system import deadline
from runflowd.system.deadline import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runflowd.files import Listing
    from runflowd.pipeline.intake.watched_rule import WatchedRule

T = TypeVar("T")


def ask(watched: WatchedRule, call: Callable[..., T], *given: object) -> T:
    """What a blocking call to the watched folder of a rule answers. Raises `NoAnswer` once it gives no sign of life."""
    return within(
        deadline.ANSWER_TIMEOUT, watched.rule.watch, call, *given, progress=lambda: watched.folder_io.progress
    )


def listings(watched: WatchedRule) -> Iterator[Listing]:
    """The folders of a rule, some read at a time."""
    walking = folders_of(watched)
    while page := ask(watched, page_of, walking):
        yield from page


def other_entries(watched: WatchedRule, listing: Listing) -> Iterator[Planned]:
    """What a folder holds beside its files."""
    if listing.error is not None:
        code = OUTPUT_INSIDE if isinstance(listing.error, files.OwnOutput) else "FOLDER_UNREADABLE"
        yield Planned(f"{listing.relative}/", Fate.WAIT, 0, code, str(listing.error))
    for name in listing.folders:
        path = listing.path_of(name)
        if watched.rule.matcher.prunes(path):
            yield Planned(f"{path}/", Fate.LEFT_OUT, 0, "EXCLUDED", "an excluded folder, with all that is in it")
    for skipped in listing.skipped:
        yield Planned(listing.path_of(skipped.name), Fate.LEFT_OUT, 0, "NOT_A_FILE", skipped.reason)
