"""What is never needed again goes; what keeps a file from being bought twice, and what was paid, never does."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from named_contents import named

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Stat
from runflowd.store import retention
from runflowd.store.arrivals import Arrival, arrive
from runflowd.store.history import fold, record, story
from runflowd.store.links import UploadedAsset, save_assets
from runflowd.store.retention import KEPT, prune_steps, prune_stories, prune_uploads
from runflowd.store.schema import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.connection import Connection

THEN = 1_800_000_000.0
LATER = THEN + KEPT + 1
MONEY = ("item", "ledger", "account", "batch", "purchase", "output", "receipt", "snapshot")


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A state file in memory with a file that is done and one that failed, each found, and looked at again later."""
    with closing(in_memory()) as connection:
        raw = connection.raw
        connection.run("save_snapshot", id="snap", rule="r", text="{}")
        for name, state in (("done.jpg", ItemState.DONE), ("failed.jpg", ItemState.FAILED)):
            arrive(connection, arrival(name, name), THEN)
            raw.execute("UPDATE item SET state = ?, cost = '0.02' WHERE basename = ?", (state, name.encode()))
        for number in (1, 2):
            record(connection, number, THEN + 1, "an old step")
            record(connection, number, LATER, "a new step")
        raw.execute("INSERT INTO account (service, model, rule) VALUES ('s', 'm', 'r')")
        raw.execute(
            "INSERT INTO ledger (account, reference, item, kind, amount, currency, at, period, dir) "
            "VALUES (1, x'ab', 1, 'charge', '0.02', 'USD', ?, '2027-01-15', x'')",
            (THEN,),
        )
        yield connection


def arrival(path: str, content: str) -> Arrival:
    """A stable file."""
    return Arrival("r", path, Stat(1, 2, 3), named(content), "image/jpeg", "recipe", {}, "snap")


def prune(connection: Connection, now: float) -> int:
    """All of it, in so many pages."""
    pages = 3
    for each in (prune_steps, prune_stories, prune_uploads):
        while each(connection, now):
            pages += 1
    return pages


def details(connection: Connection, item: int) -> list[str]:
    """The last words of an item's story."""
    return [step.detail for step in story(connection, item)][-2:]


def test_old_steps_of_a_file_that_is_done_go(connection: Connection) -> None:
    """Its younger ones stay, and all of one that failed."""
    prune(connection, LATER + 1)

    assert (["a new step"], ["an old step", "a new step"]) == (details(connection, 1), details(connection, 2))


def test_nothing_goes_before_its_time(connection: Connection) -> None:
    """Ninety days are ninety days."""
    prune(connection, THEN + KEPT)

    assert ["an old step", "a new step"] == details(connection, 1)


def test_pages_are_bounded_and_lead_to_the_end(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows one transaction takes, the same goes."""
    monkeypatch.setattr(retention, "PAGE", 1)
    for number in range(3):
        upload(connection, f"old {number}", THEN)

    pages = prune(connection, LATER + 1)

    assert (["a new step"], []) == (details(connection, 1), uploads(connection))
    assert pages == 3 + 3 + 3  # four steps are old and three uploads; the last page of each may be an empty one


def test_old_uploads_go_and_young_ones_stay(connection: Connection) -> None:
    """Also in the second round."""
    upload(connection, "old", THEN)
    upload(connection, "young", LATER)
    prune(connection, LATER + 1)
    assert ["young"] == uploads(connection)

    prune(connection, LATER + KEPT + 1)
    assert [] == uploads(connection)


def test_money_and_verdicts_stay_as_they_are(connection: Connection) -> None:
    """Not a row of theirs is touched, however old."""
    before = [connection.raw.execute(f"SELECT * FROM {table}").fetchall() for table in MONEY]

    prune(connection, LATER * 2)

    assert before == [connection.raw.execute(f"SELECT * FROM {table}").fetchall() for table in MONEY]


def test_a_content_whose_story_is_gone_is_not_bought_again(connection: Connection) -> None:
    """The same bytes under another name take the result that is there."""
    prune(connection, LATER * 2)

    decision = arrive(connection, arrival("copy.jpg", "done.jpg"), LATER * 2)

    assert (ItemState.DOWNLOADING, 1) == (decision.state, decision.original)


def upload(connection: Connection, content: str, at: float) -> None:
    """An upload on record."""
    save_assets(connection, "s", {(named(content), "m"): UploadedAsset(content, "u", at)})


def uploads(connection: Connection) -> list[str]:
    """The contents of which an upload is on record."""
    return [content for (content,) in connection.raw.execute("SELECT asset_id FROM asset ORDER BY asset_id")]


def test_a_packed_story_goes_when_its_file_was_done_long_ago(connection: Connection) -> None:
    """Not before, and not that of one that is at work again; what came after it is looked at by itself."""
    kept: list[list[str]] = []
    fold(connection, [1])
    record(connection, 1, LATER, "looked at again")
    connection.raw.execute("UPDATE item SET ended_at = ? WHERE id = 1", (THEN,))
    for state, now in ((ItemState.DONE, THEN + KEPT), (ItemState.READY, LATER), (ItemState.DONE, LATER)):
        connection.raw.execute("UPDATE item SET state = ? WHERE id = 1", (state,))
        prune(connection, now)
        kept.append(details(connection, 1))

    assert [["a new step", "looked at again"]] * 2 + [["looked at again"]] == kept
