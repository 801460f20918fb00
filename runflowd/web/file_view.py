"""The screen of one file: before and after, how it came about, what it cost, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import short_id
from runflowd.core.review import Review
from runflowd.web.file_filter import word_of
from runflowd.web.files_view import TONES, standing
from runflowd.web.formatting import money, sentence, shown
from runflowd.web.medium import result_of, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo

    from runflowd.store.items import Item
    from runflowd.store.outputs import Output
    from runflowd.web.file_filter import FileFilter
    from runflowd.web.medium import Medium


@dataclass(frozen=True, slots=True)
class StoryStep:
    """A step in the life of a file."""

    at: str
    word: str
    tone: str
    detail: str


@dataclass(frozen=True, slots=True)
class Button:
    """What can be done: an address to post to, what the button says, and what it means in money; "" for nothing."""

    action: str
    words: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Another file that belongs to this one."""

    words: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class FilePage:
    """The screen. `facts` are pairs of a name and a value; addresses are "" where nothing is.

    `review` says how the result stands with those who judge it, "" where nobody is asked.
    """

    item: Item
    title: str
    rule: str
    word: str
    tone: str
    before: Medium
    after: tuple[Medium, ...]
    facts: tuple[tuple[str, str], ...]
    now: tuple[str, ...]
    story: tuple[StoryStep, ...]
    links: tuple[Link, ...]
    buttons: tuple[Button, ...]
    redo: str
    receipt: str
    review: str
    newer: str
    older: str
    preloaded: tuple[str, ...]
    back: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The files before and behind this one in the list that somebody looks through, and the results of these."""

    newer: Item | None
    older: Item | None
    outputs: Mapping[int, Sequence[Output]]


def file_page(
    wanted: FileFilter,
    item: Item,
    outputs: Sequence[Output],
    around: Neighbours,
    history: dict[str, Any],
    zone: tzinfo | None,
    *,
    in_force: bool,
    previews: bool,
) -> FilePage:
    """Word one file. `history` is what `runflowd logs` shows of it; `in_force` whether its rule is configured."""
    word, tone = standing(item)
    settled = item.state in {ItemState.DONE, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN}
    beside = [each for each in (around.older, around.newer) if each is not None]
    return FilePage(
        item=item,
        title=shown(item.path),
        rule=shown(item.rule),
        word=word,
        tone=tone,
        before=source_of(item, previews=previews),
        after=tuple(result_of(each, previews=previews) for each in outputs if each.written),
        facts=tuple(_facts(item, history)),
        now=tuple(shown(sentence(line)) for line in history["now"]),
        story=tuple(_step(step, zone) for step in history["steps"]),
        links=tuple(_links(history)),
        buttons=tuple(_buttons(item)) if in_force and item.current else (),
        redo=f"/files/{item.id}/redo" if in_force and _may_be_redone(item) else "",
        receipt=f"/files/{item.id}/receipt.json" if settled and item.snapshot else "",
        review=_review(item, history, edited=any(output.edited for output in outputs)),
        newer=_address(wanted, around.newer),
        older=_address(wanted, around.older),
        preloaded=tuple(
            large
            for each in beside
            for output in around.outputs.get(each.id, ())[:1]
            if (large := result_of(output, previews=previews).large)
        ),
        back=wanted.but().at("/files"),
    )


def _may_be_redone(item: Item) -> bool:
    """Whether the file could be made again another way: it was made, or refused, and is there."""
    made = item.state in {ItemState.DONE, ItemState.FAILED}
    return made and item.current and item.present and item.input is not None


def _review(item: Item, history: dict[str, Any], *, edited: bool) -> str:
    """How the result stands with those who judge it; one that was `edited` is not where they want it."""
    if item.state is not ItemState.DONE or item.review is Review.NONE:
        return ""
    if item.review is Review.WAITING:
        return "To review"
    last = history["verdicts"][-1]
    by = f" by {shown(last['who'])}" if last["who"] else ""
    said = f"{item.review.capitalize()}{by}{': ' if last['reason'] else ''}{shown(last['reason'])}"
    return f"{said}. It was edited since it was delivered, so it stays where it is" if edited else said


def _address(wanted: FileFilter, item: Item | None) -> str:
    return "" if item is None else wanted.but().at(f"/files/{item.id}")


def _facts(item: Item, history: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if item.cost is not None:
        yield "Cost", money(item.cost, item.currency)
    elif item.estimate_high is not None:
        yield "Cost", f"at most {money(item.estimate_high, item.currency)}, not charged yet"
    elif item.duplicate_of is not None and item.state is ItemState.DONE:
        yield "Cost", "none: it shares a result"
    if item.hosted is not None:
        yield "Hosted, it would cost", f"about {money(item.hosted)}"
    batch = history["batch"]
    if batch is not None:
        yield "Model", shown(batch["model"])
        yield "Batch", short_id(batch["id"])
    if item.run_id:
        yield "Run", shown(item.run_id)
    for name, value in (history["settings"] or {}).items():
        yield f"Its own {shown(name)}", shown(str(value))
    yield "Content", (item.content_hash or "not read yet")[:16]


def _step(step: dict[str, Any], zone: tzinfo | None) -> StoryStep:
    state = ItemState(step["state"])
    at = datetime.fromisoformat(step["at"]).astimezone(zone)
    return StoryStep(
        f"{at:%Y-%m-%d %H:%M:%S}",
        word_of(state),
        TONES.get(state, "busy"),
        shown(sentence(step["detail"])),
    )


def _links(history: dict[str, Any]) -> Iterator[Link]:
    if history["successor"]:
        yield Link("Another one took its place", shown(history["path"]), f"/files/{history['successor']}")
    if history["source"]:
        yield Link("Takes the result of", shown(history["source"]["path"]), f"/files/{history['source']['id']}")
    if history["made_by"]:
        made = history["made_by"]
        yield Link(f"Is a result of rule {shown(made['rule'])}", shown(made["path"]), f"/files/{made['id']}")
    for each in history["then"]:
        yield Link(f"Was taken by rule {shown(each['rule'])}", shown(each["path"]), f"/files/{each['id']}")


def _buttons(item: Item) -> Iterator[Button]:
    price = f"It cost {money(item.cost, item.currency)} before, and is paid for again." if item.cost else ""
    if item.state is ItemState.FAILED and not item.cost:
        yield Button("retry", "Retry", "It was not charged.")
    if item.state is ItemState.OUTCOME_UNKNOWN:
        yield Button("retry", "Look again", "Costs nothing: what was bought is asked for and fetched.")
    if item.state is ItemState.OUTCOME_UNKNOWN or (item.state is ItemState.FAILED and item.cost):
        yield Button("buy-again", "Buy again", price or "It may have been paid for already; then it is paid for twice.")
    if item.state is ItemState.DONE and item.present:
        yield Button("rerun", "Run again", f"Only where the rule has changed since. {price}".strip())
