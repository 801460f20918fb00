"""Receipts: real files beside real purchases, in virtual time."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from doomed import live_until
from stage_rig import EPOCH, picture, rule, running
from virtual_clock import patient_clock

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.store.batches import batch_from
from runflowd.store.items import item_from
from runflowd.store.ledger import Stated, settle
from runflowd.store.spend_report import Grouping, spend_by, totals

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

FAILING = {"runs": [{"kind": "fail", "match": "*bad.jpg", "count": None}]}


def kept(folder: Path, **changes: Any) -> Rule:
    """The usual rule, with receipts."""
    return rule(folder, receipts=str(folder / "receipts"), **changes)


def receipts(folder: Path) -> dict[str, Any]:
    """Every receipt by its path, hidden files included."""
    root = folder / "receipts"
    return {str(path.relative_to(root)): json.loads(path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def charge(rig: Rig, amount: str) -> None:
    """What the service takes for a file from now on."""
    object.__setattr__(rig.local.service.models["runflow/pass-through"], "price", Decimal(amount))


def costs(folder: Path) -> dict[str, str | None]:
    """What each receipt says was charged."""
    return {path: receipt["cost"] for path, receipt in receipts(folder).items()}


async def spent(rig: Rig) -> Decimal:
    """What `runflowd spend` says in all."""
    (whole,) = await rig.store.read(lambda each: totals(spend_by(each, Grouping.RULE, None, 0.0, 2 * EPOCH)))
    return whole.spent


async def correct(rig: Rig, path: str, cost: str) -> None:
    """The service states another sum for a file that has ended."""

    def write(connection: Connection) -> None:
        items = connection.raw.execute("SELECT * FROM full_item WHERE current = 1").fetchall()
        (row,) = (each for each in items if bytes(each["basename"]) == path.encode())
        batch = batch_from(connection.all("batch", id=row["batch"])[0])
        stated = Stated(Decimal(cost), run=row["run_id"])
        settle(connection, batch, [(item_from(row), stated)], rig.engine.context.clock.wall())

    await rig.store.write(write)
    rig.engine.context.stage_events.deliver.notify()
    await anyio.sleep(10)


async def test_a_receipt_says_what_was_sent_bought_charged_and_delivered(tmp_path: Path) -> None:
    """All of it from the rows, an upload by its asset, and a link of the rule's own without what it is signed with."""
    prompt = {"image_url": "${file.url}", "style": "https://cdn.example/s.png?sig=secret", "name": "${file.stem}"}
    async with running(tmp_path, kept(tmp_path, input=prompt), began=EPOCH) as rig:
        charge(rig, "0.30")
        rig.drop("shoes/a.jpg")
        await rig.settled(1)
        (item,), (batch,) = await rig.items(), await rig.batches()
        (asset,) = await rig.store.read(lambda each: each.raw.execute("SELECT asset_id FROM asset").fetchone())
        (key,) = await rig.store.read(lambda each: each.raw.execute("SELECT key FROM purchase").fetchone())
    data = picture("shoes/a.jpg")
    found = receipts(tmp_path)["shoes/a.jpg.json"]
    text, entry = found["rule"].pop("text"), found["charges"][0]

    assert {"path": "shoes/a.jpg", "size": len(data), "sha256": sha256(data), "type": "image/jpeg"} == found["source"]
    assert {"name": "studio", "sha256": item.snapshot} == found["rule"]
    assert prompt["style"].replace("sig=secret", "...") == text["input"]["style"]
    sent = {"image_url": f"runflow://assets/{asset}", "style": "https://cdn.example/s.png?...", "name": "a"}
    assert (rule(tmp_path).model, sent) == (found["model"], found["input"])
    purchase = {"service": "test", "batch": batch.remote_id, "run": item.run_id, "client_ref": item.client_ref}
    assert {**purchase, "key": key, "shared_with": None} == found["purchase"]
    assert ("charge", str(item.cost), str(item.cost), "USD") == (
        entry["kind"],
        entry["amount"],
        found["cost"],
        found["currency"],
    )
    assert ("done", None, {"found", "ready", "sealed", "submitted"}) == (
        found["state"],
        found["failure"],
        set(found["times"]),
    )
    assert [{"path": "shoes/a.jpg", "size": len(data), "sha256": sha256(data)}] == found["outputs"]


def sha256(data: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(data).hexdigest()


async def test_receipts_and_spend_agree(tmp_path: Path) -> None:
    """Over a duplicate, a refund, a correction, a failure that was charged, and a file that was edited since."""
    async with running(tmp_path, kept(tmp_path)) as rig:
        charge(rig, "0.30")
        rig.switch(faults=FAILING)
        for name in ("a", "b", "c", "bad"):
            rig.drop(f"{name}.jpg", name)
        await rig.settled(4)
        rig.drop("twin.jpg", "a")
        await rig.settled(5)
        await correct(rig, "a.jpg", "0.01")
        await correct(rig, "b.jpg", "0.75")
        await correct(rig, "bad.jpg", "0.20")
        rig.drop("c.jpg", "another")
        await anyio.sleep(60)
        found, whole = costs(tmp_path), await spent(rig)
        states = {path: receipt["state"] for path, receipt in receipts(tmp_path).items()}

    moved = f"c~{sha256(picture('c'))[:8]}.jpg.json"
    assert {"a.jpg.json", "twin.jpg.json", "b.jpg.json", "c.jpg.json", "bad.jpg.json", moved} == set(found)
    assert ("0.01", "0", "0.75", "0.2", "failed") == (
        found["a.jpg.json"],
        found["twin.jpg.json"],
        found["b.jpg.json"],
        found["bad.jpg.json"],
        states["bad.jpg.json"],
    )
    assert whole == sum(Decimal(cost or 0) for cost in found.values())


async def test_a_failure_that_cost_nothing_has_no_receipt(tmp_path: Path) -> None:
    """There is nothing to account for."""
    async with running(tmp_path, kept(tmp_path)) as rig:
        rig.switch(faults=FAILING)
        rig.drop("bad.jpg")
        await rig.settled(1)

    assert {} == receipts(tmp_path)


async def test_a_receipt_of_a_file_that_was_renamed_says_where_its_result_went(tmp_path: Path) -> None:
    """By itself, and in every later writing of it; what was bought, sent and delivered is as it was."""
    async with running(tmp_path, kept(tmp_path)) as rig:
        path = rig.drop("a.jpg")
        await rig.settled(1)
        before = receipts(tmp_path)["a.jpg.json"]
        path.rename(path.with_name("b.jpg"))
        await anyio.sleep(60)
        moved = receipts(tmp_path)["a.jpg.json"]
        await rig.store.write(lambda each: each.raw.execute("UPDATE item SET receipt_state = 'outdated'"))
        rig.engine.context.stage_events.deliver.notify()
        await anyio.sleep(10)
        after = receipts(tmp_path)

    (output,) = before["outputs"]
    expected = {**before, "outputs": [{**output, "moved_to": "b.jpg"}]}
    assert (expected, expected, "a.jpg", ["b.jpg"]) == (
        moved,
        after["a.jpg.json"],
        after["b.jpg.json"]["purchase"]["shared_with"],
        [each["path"] for each in after["b.jpg.json"]["outputs"]],
    )


async def test_a_receipt_never_replaces_what_is_not_its_own(tmp_path: Path) -> None:
    """Neither another rule's in the same folder, nor what somebody wrote, or edited, there."""
    (tmp_path / "in2").mkdir()
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts" / "b.jpg.json").write_text('"by hand"')
    usual = kept(tmp_path)
    other = replace(usual, name="second", watch=str(tmp_path / "in2"), output=str(tmp_path / "out2"))
    async with running(tmp_path, usual, other) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.drop("../in2/a.jpg")
        rig.drop("b.jpg")
        await anyio.sleep(120)
        (tmp_path / "receipts" / "a.jpg.json").write_text('"edited"')
        await correct(rig, "b.jpg", "0.75")
        await rig.store.write(
            lambda each: each.raw.execute("UPDATE item SET receipt_state = 'outdated' WHERE basename = x'612e6a7067'")
        )
        rig.engine.context.stage_events.deliver.notify()
        await anyio.sleep(10)
        found = receipts(tmp_path)

    names = {"a.jpg.json", "a.jpg (second).json", "a.jpg (studio).json", "b.jpg.json", "b.jpg (studio).json"}
    assert names == set(found)
    assert ("edited", "by hand", "0.75") == (
        found["a.jpg.json"],
        found["b.jpg.json"],
        found["b.jpg (studio).json"]["cost"],
    )


@pytest.mark.parametrize(
    ("place", "state"), [("receipts", ItemState.QUEUED), ("receipts/shoes", ItemState.DOWNLOADING)]
)
async def test_a_receipt_that_cannot_be_written_holds_its_row_back(
    tmp_path: Path, place: str, state: ItemState
) -> None:
    """An incident says why, with a remedy that works, and nothing is bought twice or in vain (scenario 56)."""
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("a file in its place")
    async with running(tmp_path, kept(tmp_path)) as rig:
        rig.drop("shoes/a.jpg")
        await anyio.sleep(120)
        before, (report,) = await rig.states(), rig.engine.context.incidents.snapshot()
        (tmp_path / place).unlink()
        await rig.settled(1)
        after, bought = [each.code for each in rig.engine.context.incidents.snapshot()], rig.charged()

    assert ({"shoes/a.jpg": state}, "OUTPUT_UNUSABLE") == (before, report.code)
    assert "Move that file away." == report.remedy
    assert ([], {"shoes/a.jpg.json"}, [1]) == (after, set(receipts(tmp_path)), bought)


async def test_a_full_disk_of_receipts_holds_the_rule_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is bought that could not be accounted for, and what was bought is delivered then (scenario 55)."""
    full = [tmp_path / "receipts"]

    def require_space(path: str, _floor: int) -> None:
        if full and path == str(full[0]):
            raise files.NoSpace("write into", path)

    monkeypatch.setattr(files, "require_space", require_space)
    async with running(tmp_path, kept(tmp_path)) as rig:
        rig.drop("a.jpg")
        await anyio.sleep(120)
        before, (report,) = await rig.states(), rig.engine.context.incidents.snapshot()
        full.clear()
        await rig.settled(1)
        after, bought = rig.engine.context.incidents.snapshot(), rig.charged()

    assert ({"a.jpg": ItemState.QUEUED}, "NO_SPACE") == (before, report.code)
    assert ((), {"a.jpg.json"}, [1]) == (tuple(after), set(receipts(tmp_path)), bought)


@pytest.mark.parametrize(
    "point", ["output.written:2", "output.renamed:2", "receipt.reserved", "receipt.written", "output.recorded"]
)
def test_a_kill_beside_a_receipt_leaves_one_with_the_same_bytes(tmp_path: Path, point: str) -> None:
    """Whichever step was the last: what stood is what stands, and nothing is bought twice (scenarios 58, 75)."""

    async def live() -> None:
        async with running(tmp_path, kept(tmp_path)) as rig:
            rig.drop("a.jpg")
            await anyio.sleep(120)

    async def live_on() -> tuple[list[int], set[str]]:
        async with running(tmp_path, kept(tmp_path), began=EPOCH + 3_600) as rig:
            await anyio.sleep(120)
            return rig.charged(), {str(state) for state in (await rig.states()).values()}

    code = live_until(point, live)
    before = receipts(tmp_path)
    found = trio.run(live_on, clock=patient_clock())
    after = receipts(tmp_path)

    assert (-signal.SIGKILL, ([1], {"done"}), {"a.jpg.json"}) == (code, found, set(after))
    assert [*before.values()] in ([], [*after.values()])  # be it in a draft
