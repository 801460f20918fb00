"""The screen of files: a page of them as tiles or rows, and what can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import short_id
from runflowd.core.review import Review
from runflowd.web.file_filter import CHOICES, TO_REVIEW, word_of
from runflowd.web.formatting import moment, money, sentence, shown
from runflowd.web.medium import result_of, source_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import tzinfo

    from runflowd.store.browsing import Sheet
    from runflowd.store.items import Item
    from runflowd.store.outputs import Output
    from runflowd.web.file_filter import FileFilter
    from runflowd.web.medium import Medium

TONES = {
    ItemState.DONE: "good",
    ItemState.FAILED: "bad",
    ItemState.OUTCOME_UNKNOWN: "bad",
    ItemState.WAITING: "warn",
    ItemState.SKIPPED: "",
}

REVIEWS = {Review.WAITING: (TO_REVIEW, "warn"), Review.REJECTED: ("Rejected", "bad")}
"""What is said of files that are done, where that is not all."""

PAGE = 60
"""Files on a page."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file in the list. `picture` is of its result where there is one."""

    id: int
    address: str
    name: str
    folder: str
    folder_address: str
    rule: str
    word: str
    tone: str
    picture: Medium
    when: str
    cost: str
    why: str


@dataclass(frozen=True, slots=True)
class FilesPage:
    """The screen. `choices` are the rules and the states that can be asked for; addresses are "" for no such page."""

    filter: FileFilter
    rows: tuple[FileRow, ...]
    rules: tuple[str, ...]
    states: tuple[str, ...]
    first: str
    next: str
    more: str
    grid: str
    list: str
    batch: str
    """Short for the batch whose files these are, "" for any."""
    batches: str
    judged: dict[str, str] | None
    """What a form sends that gives one verdict on all that fits and waits now; None where nothing does."""


def files_page(
    wanted: FileFilter,
    sheet: Sheet,
    outputs: Mapping[int, Sequence[Output]],
    rules: Collection[str],
    zone: tzinfo | None,
    now: float,
    *,
    previews: bool,
) -> FilesPage:
    """Word a page of files. `outputs` are their results, by the id of the item; `now` is epoch seconds."""
    few = len(sheet.items) < PAGE
    return FilesPage(
        filter=wanted,
        rows=tuple(_row(wanted, item, outputs.get(item.id, ()), zone, previews=previews) for item in sheet.items),
        rules=tuple(rules),
        states=(*CHOICES, TO_REVIEW),
        first=wanted.but().at("/files") if wanted.before else "",
        next="" if sheet.next is None else wanted.but(before=str(sheet.next)).at("/files"),
        more="Look further back" if few else "Older",
        grid=wanted.but(view="").at("/files"),
        list=wanted.but(view="list").at("/files"),
        batch="" if wanted.state == TO_REVIEW else shown(short_id(wanted.batch)),
        batches=wanted.but(batch="").at("/files"),
        judged=_judged(wanted, zone, now) if wanted.state == TO_REVIEW and sheet.items else None,
    )


def _judged(wanted: FileFilter, zone: tzinfo | None, now: float) -> dict[str, str]:
    """Of what comes later nobody has seen that it fits, so it waits."""
    since, until = wanted.sought(zone).ended or (1.0, now)
    return {"query": wanted.but().query, "since": str(int(since)), "until": str(int(min(until, now)))}


def standing(item: Item) -> tuple[str, str]:
    """How a file stands, and the tone of that: the word under which it is listed, save that a rejected one is done."""
    if item.state is ItemState.DONE and item.review in REVIEWS:
        return REVIEWS[item.review]
    return word_of(item.state), TONES.get(item.state, "busy")


def _row(wanted: FileFilter, item: Item, outputs: Sequence[Output], zone: tzinfo | None, *, previews: bool) -> FileRow:
    folder, _, name = item.path.rpartition("/")
    word, tone = standing(item)
    return FileRow(
        id=item.id,
        address=wanted.but().at(f"/files/{item.id}"),
        name=shown(name),
        folder=shown(folder),
        folder_address=f"/files?rule={quote(item.rule)}&folder={quote(folder, errors='surrogateescape')}",
        rule=shown(item.rule),
        word=word,
        tone=tone,
        picture=result_of(outputs[0], previews=previews) if outputs else source_of(item, previews=previews),
        when=moment(item.ended_at, zone),
        cost=money(item.cost, item.currency) if item.cost is not None else "",
        why=shown(sentence(item.failure)),
    )
