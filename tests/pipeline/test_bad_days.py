"""Files and folders on bad days: held by others, far too many, named alike; and clocks that jump."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import unicodedata
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pictures import encoded
from PIL import Image
from postgres_server import quick_server
from stage_rig import Rig, rule, running

from runflowd.app.daemon import _report
from runflowd.app.engine import GAP, UPKEEP_INTERVAL
from runflowd.app.reload import Reloading
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import OnDelete
from runflowd.files import Forbidden, Listing, scan, walk
from runflowd.local.http.control import ledger
from runflowd.pipeline.context import MAX_IDLE, Context
from runflowd.pipeline.intake import watched_rule
from runflowd.pipeline.intake.batch_sealer import BatchSealer
from runflowd.pipeline.intake.folder_pages import Scanned, page_of
from runflowd.pipeline.intake.reconcile import FolderScanner
from runflowd.system.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.observability.incidents import IncidentReport
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

REQUESTS_KEPT = "SELECT count(*) FROM purchase WHERE body IS NOT NULL"

BIG = {"image_url": "${file.url}", "prompt": "white studio, soft shadow, " * 40}
"""An input of a kilobyte."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep a lease on a file, as file servers do for their clients: who opens it without waiting is told to retry."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with path.open("r+b") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        try:
            yield
        finally:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            signal.signal(signal.SIGIO, before)


async def test_a_file_that_another_program_holds_is_taken_once_it_is_let_go(tmp_path: Path) -> None:
    """Asked for again and again before the next rescan, and never failed (scenario 24)."""
    async with running(tmp_path, rule(tmp_path, rescan=100_000.0)) as rig:
        path = rig.drop("a.jpg")
        with held(path):
            await anyio.sleep(20)
            before = await rig.states()
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE}, 60)

        assert ({}, [1]) == (before, rig.charged())


async def test_a_file_that_is_held_for_long_is_reported_and_waits(tmp_path: Path) -> None:
    """With its reason and what to do, still without a purchase or a failure (scenario 24)."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        with held(path):
            await rig.until(lambda states: "a.jpg" in states, 600)
            (item,) = await rig.items()
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE}, 600)

        assert (ItemState.WAITING, "BUSY", [1]) == (item.state, item.failure_code, rig.charged())


async def test_a_file_that_may_not_be_read_is_taken_once_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits with its reason, is no failure, and needs nobody's touch (scenario 23)."""
    really = os.open

    def refusing(path: str, *rest: Any, **named: Any) -> int:
        if path == "a.jpg":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return really(path, *rest, **named)

    async with running(tmp_path) as rig:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refusing)
            rig.drop("a.jpg")
            await rig.until(lambda states: "a.jpg" in states)
            (item,) = await rig.items()
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE}, 60)

        assert (ItemState.WAITING, "UNREADABLE", [1]) == (item.state, item.failure_code, rig.charged())


async def test_more_files_than_may_be_watched_at_once_are_all_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded: what found no room is found again by the next rescan, long before `rescan` (scenario 25)."""
    monkeypatch.setattr(watched_rule, "MAX_TRACKED", 20)
    watched: set[int] = set()
    async with running(tmp_path, rule(tmp_path, rescan=3600.0)) as rig:
        for number in range(50):
            rig.drop(f"{number}.jpg")
        with anyio.fail_after(600):
            while len(rig.outputs()) < 50:
                watched.add(rig.engine.intake.waiting)
                await anyio.sleep(0.5)

        assert (20, [1] * 50) == (max(watched), rig.charged())


async def test_the_first_are_bought_while_a_rescan_still_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A big folder need not be looked through to its end before anything is done (scenario 25)."""
    listing = FolderScanner.scan
    ended: list[float] = []

    async def slow(self: FolderScanner, watched: WatchedRule, start: str, *, deep: bool, **rest: Any) -> Scanned:
        scanned = await listing(self, watched, start, deep=deep)
        await anyio.sleep(500)  # as much again is still to come
        ended.append(anyio.current_time())
        return scanned

    monkeypatch.setattr(FolderScanner, "scan", slow)
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE}, 400)

        assert [] == ended


async def test_a_folder_that_takes_long_to_look_through_is_looked_through_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A big share is busy with our rescans for a tenth of the time at most, whatever `rescan` says (scenario 42)."""
    begun: list[float] = []

    async def slow(self: FolderScanner, watched: WatchedRule, start: str, *, deep: bool, **rest: Any) -> Scanned:
        begun.append(anyio.current_time())
        await anyio.sleep(100)
        return Scanned()

    monkeypatch.setattr(FolderScanner, "scan", slow)
    async with running(tmp_path, rule(tmp_path, rescan=1.0)):
        await anyio.sleep(1500)

    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert [1100] == [round(pause, -1) for pause in pauses]


async def test_names_that_differ_in_their_spelling_only_are_two_files(tmp_path: Path) -> None:
    """Composed and decomposed letters look alike and may be one name elsewhere (scenario 47)."""
    names = [unicodedata.normalize(form, "caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg") for form in ("NFC", "NFD")]
    async with running(tmp_path) as rig:
        for name in names:
            rig.drop(name)
        await rig.settled(2)

        marked = {unicodedata.normalize("NFC", name) for name in rig.outputs()}
        assert ([1, 1], 2, {"caf\u00e9.jpg", "caf\u00e9 (jpg).jpg"}) == (rig.charged(), len(rig.outputs()), marked)


async def test_the_extension_is_that_of_what_came(tmp_path: Path) -> None:
    """A result is named by its own bytes, whatever the input was called (scenario 51)."""
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.jpg").write_bytes(encoded(Image.new("RGB", (16, 12)), "WEBP"))
        await rig.settled(1)

        assert {"a.webp"} == rig.outputs()


async def test_clearing_up_after_one_rule_leaves_the_others_alone(tmp_path: Path) -> None:
    """Of a rule that keeps results none goes, and of its neighbour none before the grace is over (scenario 71)."""
    kept = rule(tmp_path / "kept", name="kept")
    async with running(tmp_path, rule(tmp_path, on_delete=OnDelete.REMOVE), kept) as rig:
        for place in ("a.jpg", "stays.jpg", "../kept/in/a.jpg", "../kept/in/stays.jpg"):
            rig.drop(place)
        await rig.until(lambda states: set(states.values()) == {ItemState.DONE} and len(states) == 2)
        await anyio.sleep(60)
        for place in ("in/a.jpg", "kept/in/a.jpg"):
            (tmp_path / place).unlink()
        await anyio.sleep(40)
        early = rig.outputs()
        await anyio.sleep(600)

        left = {path.name for path in (tmp_path / "kept/out").iterdir()}
        assert ({"a.jpg", "stays.jpg"}, {"stays.jpg"}, {"a.jpg", "stays.jpg"}) == (early, rig.outputs(), left)


async def test_a_loop_with_nothing_to_do_sleeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the only rule is being rescanned nothing else is due, and turning all the same would burn a processor."""

    async def endless(self: FolderScanner, watched: WatchedRule, start: str, *, deep: bool, **rest: Any) -> Scanned:
        await anyio.sleep_forever()
        return Scanned()

    turns: list[str] = []
    monkeypatch.setattr(FolderScanner, "scan", endless)
    monkeypatch.setattr(Context, "heartbeat", lambda _self, stage: turns.append(stage))
    async with running(tmp_path):
        await anyio.sleep(10 * MAX_IDLE)

    assert turns.count("intake") < 20


@pytest.mark.parametrize("jump", [2 * GAP, -2 * GAP])
async def test_after_a_jump_of_the_clock_every_batch_is_asked_for_at_once(tmp_path: Path, jump: float) -> None:
    """The machine slept, or its clock was set; dates on record are worth nothing now (scenario 76)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "stuck", "count": None}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        await rig.store.write(lambda connection: connection.raw.execute("UPDATE batch SET due_at = 1e12").rowcount)
        await anyio.sleep(600)
        quiet = asked(rig)
        rig.jump(jump)
        await anyio.sleep(2 * UPKEEP_INTERVAL)

        assert quiet < asked(rig)


async def test_a_delivery_that_waits_is_tried_at_once_after_a_clock_was_set_back(tmp_path: Path) -> None:
    """Its date would else be a day ahead (scenario 76)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 30, "count": None}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        (tmp_path / "out").rmdir()
        (tmp_path / "out").write_bytes(b"in the way")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DOWNLOADING)
        await anyio.sleep(300)
        rig.jump(-86_400.0)
        (tmp_path / "out").unlink()
        (tmp_path / "out").mkdir()

        assert await rig.settled(1) < 200


async def test_a_clock_that_jumps_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """To next year and to last year while files come in (scenario 76)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 30, "count": None}]})
        for number, jump in enumerate((365 * 86400.0, -2 * 365 * 86400.0, 365 * 86400.0)):
            rig.drop(f"{number}.jpg")
            await rig.until(lambda states: ItemState.SUBMITTED in states.values())
            rig.jump(jump)
            await rig.settled(number + 1)

        assert ({"0.jpg", "1.jpg", "2.jpg"}, [1, 1, 1]) == (rig.outputs(), rig.charged())


def asked(rig: Rig) -> int:
    """How often the service was asked about a batch."""
    return sum(count for route, count in ledger(rig.local.service)["requests"].items() if route.startswith("GET"))


@pytest.mark.parametrize("on_a_server", [False, True])
async def test_two_daemons_over_one_output_folder_are_distinguished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_a_server: bool
) -> None:
    """The second names the first, wherever its state is; once that has ended, the folder is its own (scenario 66)."""
    first, second = tmp_path / "first", tmp_path / "second"
    (shared := tmp_path / "out").mkdir()
    rules = [rule(folder, output=str(shared)) for folder in (first, second)]
    async with running(first, rules[0], place=quick_server().prepared() if on_a_server else None) as one:
        await anyio.sleep(60)
        async with running(second, rules[1]) as two:
            await anyio.sleep(400)
            told = [(each.code, str(one.store.place).partition("?")[0] in each.message) for each in incidents(two)]
            silent = incidents(one)
    monkeypatch.setattr("runflowd.pipeline.folder_ownership.is_alive", lambda mark: False)  # it is this process
    async with running(second, rules[1]) as two:
        await anyio.sleep(400)

        assert ([("OUTPUT_SHARED", True)], (), ()) == (told, silent, incidents(two))


async def test_a_state_file_that_was_replaced_is_no_second_daemon(tmp_path: Path) -> None:
    """The folder has the tag of the one before, whose place the new one holds (scenario 66)."""
    (tmp_path / "out").mkdir()
    async with running(tmp_path):
        await anyio.sleep(60)
    for left in tmp_path.glob("state.db*"):  # noqa: ASYNC240  # time stands still
        left.unlink()
    async with running(tmp_path, place=tmp_path / "state.db") as rig:
        await anyio.sleep(400)

        assert () == incidents(rig)


async def test_a_file_that_is_done_leaves_little_in_the_state_file(tmp_path: Path) -> None:
    """What was bought stays on record for good; requests and answers, which are large, do not (scenario 72)."""
    async with running(tmp_path, rule(tmp_path, input=BIG)) as rig:
        sizes: list[int] = []
        for first in (0, 30, 60):
            for number in range(first, first + 30):
                rig.drop(f"{number}.jpg")
            await rig.settled(first + 30)
            await until_no_request_is_kept(rig)
            sizes.append(await rig.store.read(bytes_in_use))  # in leaps, as the pages of an index split

        assert sizes[2] - sizes[0] < 60 * 4096


async def test_trouble_that_lasts_is_one_line_and_a_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that may not be entered is met by a hundred rescans (scenario 78)."""
    look = scan._scan

    def refused(root: str, relative: str, on_progress: Any) -> tuple[Listing, tuple[int, int] | None]:
        if relative == "closed":
            return Listing(relative, error=Forbidden("list", f"{root}/closed")), None
        return look(root, relative, on_progress)

    monkeypatch.setattr(scan, "_scan", refused)
    (tmp_path / "in/closed").mkdir(parents=True)
    async with running(tmp_path) as rig:
        await anyio.sleep(400)
        (row,) = await rig.store.read(lambda connection: connection.all("incidents"))

    lines = [line for line in capsys.readouterr().out.splitlines() if "in/closed" in line]
    assert ("FOLDER_UNREADABLE", True, 1) == (row["code"], row["count"] > 5, len(lines))


async def test_a_folder_of_too_many_names_is_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its remedy works when it is followed; nothing of it counts as deleted meanwhile (scenario 147)."""
    async with running(tmp_path) as rig:
        rig.drop("many/0.jpg", 0)
        await rig.settled(1)
        with monkeypatch.context() as patch:
            patch.setattr(scan, "MAX_NAMES", 3)
            for number in range(1, 5):
                rig.drop(f"many/{number}.jpg", number)
            rig.drop("beside/a.jpg")
            await rig.settled(2)
            await anyio.sleep(60)
            (row,) = await rig.store.read(lambda connection: connection.all("incidents"))
            before = await rig.items()
            for number in (3, 4):
                (tmp_path / f"in/beside/{number}").mkdir()
                (tmp_path / f"in/many/{number}.jpg").rename(tmp_path / f"in/beside/{number}/{number}.jpg")
            await rig.settled(6)
            lasting = await rig.store.read(lambda connection: connection.all("incidents"))

    assert row["message"].endswith("many: it holds more than 3 files and folders")
    assert row["remedy"].startswith("Spread them over folders of their own")
    assert ("FOLDER_UNREADABLE", [True, True], []) == (row["code"], [item.present for item in before], lasting)


def test_no_page_of_a_scan_holds_many_large_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is for one large folder, however many lie beside each other (scenario 147)."""
    monkeypatch.setattr("runflowd.pipeline.intake.folder_pages.NAMES", 3)
    for name in ("a", "b", "c"):
        for number in range(4):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{number}.jpg").touch()
    walking = walk(str(tmp_path))

    assert [2, 1, 1, 0] == [len(page_of(walking)) for _ in range(4)]


async def test_the_watchdog_is_not_fed_for_a_stage_that_does_not_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the daemon being well does not hide it (scenario 77)."""
    (config := tmp_path / "runflowd.yaml").write_text("service: local\nrules: {}\n")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.setblocking(False)
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    async with running(tmp_path) as rig, anyio.create_task_group() as group:
        reloading = Reloading(rig.engine.context, config, load(config), notifier)
        group.start_soon(_report, rig.engine, reloading, notifier)
        well = await fed(manager, seconds=200)
        monkeypatch.setattr(BatchSealer, "turn", lambda *_: anyio.sleep_forever())
        first, then = await fed(manager, seconds=200), await fed(manager, seconds=200)
        group.cancel_scope.cancel()

    manager.close()
    assert (True, True, 0) == (well > 15, first < 10, then)


async def fed(manager: socket.socket, seconds: int) -> int:
    """How often the watchdog is fed in that time; read as it comes, since the kernel may keep ten datagrams only."""
    count = 0
    for _ in range(seconds):
        await anyio.sleep(1)
        count += waiting(manager)
    return count


def waiting(manager: socket.socket) -> int:
    """How many of the datagrams that wait feed the watchdog."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            count += manager.recv(4096) == b"WATCHDOG=1"
    return count


async def until_no_request_is_kept(rig: Rig) -> None:
    """Wait until the last purchase's bytes are gone, which an end of its files does not wait for."""
    while await rig.store.read(lambda connection: connection.raw.execute(REQUESTS_KEPT).fetchone()[0]):
        await anyio.sleep(1)


def bytes_in_use(connection: Connection) -> int:
    """Bytes of the state file that hold something."""
    pages, free, size = (
        connection.raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def incidents(rig: Rig) -> tuple[IncidentReport, ...]:
    """What is wrong for more than one item."""
    return rig.engine.context.incidents.snapshot()
