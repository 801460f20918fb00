"""What a plan foresees is what then happens; nothing is written for it, and nothing is sent."""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from chosen_state import state_of
from silent_share import required
from stage_rig import EPOCH, picture, rule, running

from runflowd.app.catalog_prices import ServiceAnswers
from runflowd.commands.plan_money import Gate, gates
from runflowd.config import Config, Limits, Service
from runflowd.core.approval import Crowd
from runflowd.core.approval_policy import ApprovalPolicy
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits, Existing
from runflowd.core.money import Money, Price, RuleMoney
from runflowd.core.outlay import Outlay
from runflowd.core.pricing import PricingRule
from runflowd.pipeline.intake.fates import Fate, Planned
from runflowd.pipeline.intake.planning import Planning
from runflowd.store.approvals import save_crowd
from runflowd.store.pauses import pause
from runflowd.store.plans import open_for_plan
from runflowd.store.spending import usual_price

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runflowd.core.model import Rule
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio


def nothing() -> None:
    """Nobody writes meanwhile."""


def plan(folder: Path, planned: Rule | None = None, meanwhile: Callable[[], None] = nothing) -> dict[str, Planned]:
    """What becomes of each path; `meanwhile` is done whenever the plan waits for files to rest."""
    moment = [0.0]

    def rest(seconds: float) -> None:
        moment[0] += seconds
        meanwhile()

    with open_for_plan(state_of(folder)) as connection:
        planning = Planning(connection, Limits(upload_size=10_000), lambda: moment[0], rest)
        return {each.path: each for each in planning.plan(planned or rule(folder))}


def fates(found: dict[str, Planned]) -> dict[str, Fate]:
    """The fates alone."""
    return {path: planned.fate for path, planned in found.items()}


def drop(folder: Path, name: str, content: bytes | str) -> Path:
    """Put a file into the watched folder, an image of that seed if it is given as text."""
    path = folder / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(content) if isinstance(content, str) else content)
    return path


def drop_all_kinds(folder: Path) -> None:
    """Files of every kind that intake knows."""
    for name, seed in {"a.jpg": "1", "b.jpg": "2", "x/copy.jpg": "1"}.items():
        drop(folder, name, seed)
    drop(folder, "text.jpg", b"no image at all")
    drop(folder, "half.jpg", picture("3")[:200])
    drop(folder, "empty.jpg", b"")
    drop(folder, "large.jpg", picture("4") + b"x" * 10_000)
    drop(folder, ".hidden/c.jpg", "5")


async def test_a_plan_without_a_state_file_is_what_then_happens(tmp_path: Path) -> None:
    """Everything is new: as many are bought as it says, and what it says would fail does."""
    drop_all_kinds(tmp_path)
    found = plan(tmp_path)
    there = (tmp_path / "state.db").exists()
    async with running(tmp_path) as rig:
        await rig.until(lambda states: len(states) == 7 and not set(states.values()) & {ItemState.READY})
        await rig.settled(7)
        states, charged = await rig.states(), rig.charged()

    assert {
        "a.jpg": Fate.BUY,
        "b.jpg": Fate.BUY,
        "x/copy.jpg": Fate.TAKE,
        "text.jpg": Fate.FAIL,
        "large.jpg": Fate.FAIL,
        "half.jpg": Fate.WAIT,
        "empty.jpg": Fate.WAIT,
        ".hidden/": Fate.LEFT_OUT,
    } == fates(found)
    assert (False, [1, 1]) == (there, charged[:2])
    assert {"a.jpg", "b.jpg", "x/copy.jpg"} <= {path for path, state in states.items() if state is ItemState.DONE}


async def test_a_plan_over_old_work_is_what_then_happens(tmp_path: Path) -> None:
    """A replaced, a renamed, a copied, a touched, a failed and an untouched file (scenarios 11 to 13)."""
    for name in ("replaced.jpg", "renamed.jpg", "touched.jpg", "same.jpg"):
        drop(tmp_path, name, name)
    drop(tmp_path, "text.jpg", b"no image at all")
    async with running(tmp_path) as rig:
        await rig.settled(5)
    drop(tmp_path, "replaced.jpg", "another")
    (tmp_path / "in/renamed.jpg").rename(tmp_path / "in/new name.jpg")
    (tmp_path / "in/touched.jpg").touch()
    drop(tmp_path, "copy.jpg", "same.jpg")
    before = hashlib.sha256((tmp_path / "state.db").read_bytes()).digest()
    found = plan(tmp_path)
    after = hashlib.sha256((tmp_path / "state.db").read_bytes()).digest()
    async with running(tmp_path) as rig:
        await anyio.sleep(60)
        states, charged = await rig.states(), rig.charged()

    assert {
        "replaced.jpg": Fate.BUY,
        "new name.jpg": Fate.TAKE,
        "copy.jpg": Fate.TAKE,
        "touched.jpg": Fate.DONE,
        "same.jpg": Fate.DONE,
        "text.jpg": Fate.ASK,
    } == fates(found)
    assert "the same content as renamed.jpg" == found["new name.jpg"].why
    assert (before, [1] * 5) == (after, charged)
    assert Counter({ItemState.DONE: 6, ItemState.FAILED: 1}) == Counter(states.values())


async def test_a_plan_beside_a_daemon_knows_what_is_under_way(tmp_path: Path) -> None:
    """What waits for its batch is bought; what was sent is not counted again; a paused rule waits."""
    slow = rule(tmp_path, batch=BatchLimits(quiet=600, max_wait=600))
    async with running(tmp_path, slow) as rig:
        rig.drop("ready.jpg", seed=1)
        await rig.until(lambda states: states.get("ready.jpg") is ItemState.READY)
        drop(tmp_path, "follows.jpg", picture(1))
        ready = plan(tmp_path, slow)
        inputs_stale = plan(tmp_path, rule(tmp_path, exclude=("ready.*",)))
        await rig.store.write(partial(pause, rule="studio", reason="stock-taking", now=EPOCH))
        paused = plan(tmp_path, slow)
        await rig.store.write(lambda connection: connection.raw.execute("UPDATE item SET state = 'queued'"))
        sealed = plan(tmp_path, slow)

    assert {"ready.jpg": Fate.BUY, "follows.jpg": Fate.TAKE} == fates(ready)
    assert Fate.LEFT_OUT == inputs_stale["ready.jpg"].fate
    assert {"ready.jpg": Fate.WAIT, "follows.jpg": Fate.TAKE} == fates(paused)
    assert Fate.SEALED == sealed["ready.jpg"].fate
    assert ("PAUSED", True) == (paused["ready.jpg"].code, "stock-taking" in paused["ready.jpg"].why)


def paid(connection: Connection, number: int, cost: str) -> None:
    """Let an item have cost so much."""
    connection.raw.execute(f"UPDATE item SET cost = '{cost}' WHERE id = {number}")


async def test_a_price_is_what_the_model_cost_of_late(tmp_path: Path) -> None:
    """On average; nothing is said of a model that was never paid for, or at another service."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        for number, cost in enumerate(("0.04", "0.06"), start=1):
            await rig.store.write(partial(paid, number=number, cost=cost))
    with open_for_plan(state_of(tmp_path)) as connection:
        asked = [("test", "runflow/pass-through"), ("test", "runflow/other"), ("else", "runflow/pass-through")]
        prices = [usual_price(connection, *each) for each in asked]

    assert [Decimal("0.05"), None, None] == prices


def test_a_file_that_grows_while_it_is_looked_at_waits(tmp_path: Path) -> None:
    """It is given as long to stand still as the rule says, as in the daemon."""
    path = drop(tmp_path, "a.jpg", "1")

    def write() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    assert {"a.jpg": (Fate.WAIT, "STILL_CHANGING")} == {
        name: (planned.fate, planned.code) for name, planned in plan(tmp_path, meanwhile=write).items()
    }


@pytest.mark.parametrize(("existing", "fate"), [(Existing.SKIP, Fate.LEFT_OUT), (Existing.PROCESS, Fate.WAIT)])
def test_a_rule_that_is_new_over_old_results_buys_nothing(tmp_path: Path, existing: Existing, fate: Fate) -> None:
    """It leaves them alone, or asks first (scenario 127)."""
    drop(tmp_path, "a.jpg", "1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").write_bytes(picture("1"))

    found = plan(tmp_path, rule(tmp_path, existing=existing))

    assert (fate, "EXISTING") == (found["a.jpg"].fate, found["a.jpg"].code)


def test_more_files_than_are_tracked_at_once_are_planned_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, the plan is not."""
    monkeypatch.setattr("runflowd.pipeline.intake.watched_rule.MAX_TRACKED", 2)
    for number in range(7):
        drop(tmp_path, f"{number}.jpg", str(number))

    assert {f"{number}.jpg": Fate.BUY for number in range(7)} == fates(plan(tmp_path))


def test_a_rule_without_its_folder_or_its_reference_says_so(tmp_path: Path) -> None:
    """Its files wait, and it is told for what."""
    drop(tmp_path, "a.jpg", "1")
    missing = plan(tmp_path, rule(tmp_path, files={"logo": str(tmp_path / "logo.png")}))
    away = rule(tmp_path, watch=str(tmp_path / "away"))

    assert ["REFERENCE_UNUSABLE"] == [planned.code for planned in missing.values()]
    assert ["WATCH_MISSING"] == [planned.code for planned in plan(tmp_path, away).values()]


@pytest.mark.parametrize("moment", ["walk", "rest"])
def test_a_share_that_dies_in_the_middle_ends_the_plan_of_its_rule_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whose folder does not answer is told, and the other rules are planned (scenario 136)."""
    monkeypatch.setattr("runflowd.pipeline.intake.folder_pages.PAGE", 1)
    drop(tmp_path, "a.jpg", "1")
    time = [0.0]

    def rest(seconds: float) -> None:
        time[0] += seconds
        if moment == "rest" and not told:
            die()

    def die() -> None:
        share.stop()
        monkeypatch.setattr("runflowd.system.deadline.ANSWER_TIMEOUT", 0.1)

    with required(tmp_path / "mnt") as share, open_for_plan(state_of(tmp_path)) as connection:
        (share.behind / "below").mkdir()
        for name in ("no picture.txt", "below/b.jpg"):
            (share.behind / name).write_bytes(picture(name))
        planning = Planning(connection, Limits(), lambda: time[0], rest)
        planned = planning.plan(rule(tmp_path, watch=str(share.folder), exclude=("*.txt",)))
        told: list[Planned] = []
        first = next(planned)
        if moment == "walk":
            die()
        told += planned
        monkeypatch.undo()
        other = list(planning.plan(rule(tmp_path)))

    assert ("no picture.txt", [("/", Fate.WAIT, "WATCH_TIMEOUT")]) == (
        first.path,
        [(each.path, each.fate, each.code) for each in told],
    )
    assert f"{share.folder} does not answer" in told[0].why
    assert [("a.jpg", Fate.BUY)] == [(each.path, each.fate) for each in other]


def gates_of(connection: Connection, folder: Path, approve: ApprovalPolicy, *listed: PricingRule) -> list[Gate]:
    """What lets some of three files through that a rule would buy, where the catalogue has just said so."""
    own = rule(folder)
    money = Money(rules={"studio": RuleMoney(approve=approve)})
    config = Config((), "", Service(url="https://api.test"), (own,), money=money)
    outlay = Outlay(Counter({Price(Decimal(1), Decimal(1)): 3}))
    return list(gates(connection, config, ServiceAnswers({own.model: listed}), own, outlay, EPOCH))


def test_a_price_in_another_currency_lets_nothing_through(tmp_path: Path) -> None:
    """As it was listed just now, for which nothing is stored."""
    with open_for_plan(state_of(tmp_path)) as connection:
        [gate] = gates_of(connection, tmp_path, ApprovalPolicy(), PricingRule("base", "item", Decimal(1), "EUR"))

    assert ("money.currency", 0, 3, True) == (gate.key, gate.files, gate.of, "`currency: EUR`" in gate.remedy)


@pytest.mark.parametrize(("files", "remedy"), [(0, "once the daemon or `runflowd sync` has bought these, "), (3, "")])
def test_an_approval_is_advised_once_there_is_something_to_approve(tmp_path: Path, files: int, remedy: str) -> None:
    """Before the first purchase the command would be refused."""
    with open_for_plan(state_of(tmp_path)) as connection:
        if files:
            save_crowd(connection, "studio", Crowd(files))
        [gate] = gates_of(connection, tmp_path, ApprovalPolicy(above_files=2))

    assert gate.remedy == f"{remedy}`runflowd approve studio` lets the others pass"
