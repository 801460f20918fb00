"""Something stands where judged results are to go: it is told once, the verdict waits, and goes on by itself."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from review_rig import everything
from stage_rig import rule, running

from runflowd import files
from runflowd.core.review import ReviewMode, ReviewPolicy
from runflowd.files import folders
from runflowd.store.verdicts import Verdict, give_verdicts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.observability.incidents import IncidentReport
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

HOLD, REVIEW_AFTER = ReviewPolicy(ReviewMode.HOLD), ReviewPolicy(ReviewMode.AFTER)
HELD = ".runflowd-held"


class Closed:
    """A folder that may not be entered; root enters each, so the one place where folders are opened says so."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = str(path)
        path.mkdir(exist_ok=True)
        self._step_into = folders._step_into
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(folders, "_step_into", self._refuse)

    def _refuse(self, doing: str, path: str, name: str, parent: int, *, make: bool) -> int:
        if path == self.path:
            raise files.Forbidden(doing, path)
        return self._step_into(doing, path, name, parent, make=make)

    def mend(self) -> None:
        """Let everybody in again."""
        self._monkeypatch.setattr(folders, "_step_into", self._step_into)


def put_file(path: Path, _monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """A plain file."""
    path.write_bytes(b"mine")
    return path.unlink


def put_link(path: Path, _monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """A link to a folder elsewhere."""
    (elsewhere := path.parent.parent / "elsewhere").mkdir()
    path.symlink_to(elsewhere)
    return path.unlink


def put_dead_link(path: Path, _monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """A link to nothing."""
    path.symlink_to(path.parent.parent / "nowhere")
    return path.unlink


def put_pipe(path: Path, _monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """What is neither a file nor a folder."""
    os.mkfifo(path)
    return path.unlink


def close(path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """A folder that may not be entered."""
    return Closed(path, monkeypatch).mend


OBSTACLES = {"file": put_file, "link": put_link, "dead link": put_dead_link, "pipe": put_pipe, "closed": close}

WAYS = {
    "rejected": (HOLD, Verdict.REJECT, "rejected", "rejected/shoes/a.jpg"),
    "a folder in rejected": (REVIEW_AFTER, Verdict.REJECT, "rejected/shoes", "rejected/shoes/a.jpg"),
    "the place of the accepted": (HOLD, Verdict.ACCEPT, "shoes", "shoes/a.jpg"),
}
"""How results are judged, the verdict, where the obstacle stands, and where the result belongs."""

CASES = [
    *((put, WAYS["rejected"]) for put in OBSTACLES.values()),
    *((put_file, way) for name, way in WAYS.items() if name != "rejected"),
]


async def judge(rig: Rig, verdict: Verdict, *paths: str) -> None:
    """Give a verdict on the results of files."""
    numbers = {item.path: item.id for item in await rig.items()}
    chosen = [numbers[path] for path in paths]
    await rig.store.write(partial(give_verdicts, numbers=chosen, verdict=verdict, who="", reason="", now=0.0))
    rig.engine.context.stage_events.notify_all()


def open_incidents(rig: Rig) -> list[IncidentReport]:
    """What is wrong now."""
    return list(rig.engine.context.incidents.snapshot())


def verdicts_left(connection: Connection) -> int:
    """How many verdicts are still to be carried out."""
    return int(connection.all("verdicts_left")[0]["count"])


class Tries:
    """Every try to move a result."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self._move = 0, files.move
        monkeypatch.setattr(files, "move", self)

    def __call__(self, *given: Any, **named: Any) -> files.Written:
        self.count += 1
        return self._move(*given, **named)


@pytest.mark.parametrize(("put", "way"), CASES)
async def test_an_obstacle_holds_a_verdict_until_it_is_gone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    put: Callable[[Path, pytest.MonkeyPatch], Callable[[], object]],
    way: tuple[ReviewPolicy, Verdict, str, str],
) -> None:
    """One incident names it and says what to do, though other verdicts and results get through; few tries are made."""
    review, verdict, where, place = way
    async with running(tmp_path, rule(tmp_path, review=review, rescan=60.0)) as rig:
        rig.drop("shoes/a.jpg")
        await rig.settled(1)
        (obstacle := tmp_path / "out" / where).parent.mkdir(exist_ok=True)
        mend = put(obstacle, monkeypatch)
        tries = Tries(monkeypatch)
        await judge(rig, verdict, "shoes/a.jpg")
        seen = []
        for number in range(3):
            rig.drop(f"{number}.jpg")
            await anyio.sleep(60)
            seen.append([(each.code, str(obstacle) in each.message, bool(each.remedy)) for each in open_incidents(rig)])
        await anyio.sleep(600)
        left, tried = await rig.store.read(verdicts_left), tries.count
        mend()
        await anyio.sleep(120)

        assert ([[("OUTPUT_UNUSABLE", True, True)]] * 3, 1) == (seen, left)
        assert ({place}, [], 0) == (
            {each for each in everything(rig) if each.endswith("a.jpg")},
            open_incidents(rig),
            await rig.store.read(verdicts_left),
        )
        assert tried <= 20


@pytest.mark.parametrize("put", [put_file, put_link, close])
async def test_an_obstacle_in_the_place_of_the_hidden_folder_holds_the_results_that_go_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    put: Callable[[Path, pytest.MonkeyPatch], Callable[[], object]],
) -> None:
    """Others of the rule are delivered meanwhile, and none is bought twice."""
    policy = ReviewPolicy(ReviewMode.HOLD, 50)
    async with running(tmp_path, rule(tmp_path, review=policy)) as rig:
        (obstacle := tmp_path / "out" / HELD).parent.mkdir()
        mend = put(obstacle, monkeypatch)
        seen = []
        for number in range(4):
            rig.drop(f"{number}.jpg")
            await anyio.sleep(60)
            seen.append({(each.code, str(obstacle) in each.message) for each in open_incidents(rig)})
        held = {item.path for item in await rig.items() if policy.chooses(item.content_hash or "")}
        first = min(int(path[0]) for path in held)
        mend()
        await rig.settled(4)

        assert [{("OUTPUT_UNUSABLE", True)} if number >= first else set() for number in range(4)] == seen
        assert {f"{HELD}/{n}.jpg" if f"{n}.jpg" in held else f"{n}.jpg" for n in range(4)} == everything(rig)
        assert ([], [1] * 4) == (open_incidents(rig), rig.charged())
