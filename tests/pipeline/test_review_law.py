"""The law of judged results: each stands in one place, and nothing of a person is touched, whatever comes when."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_rig import picture, rule, running
from virtual_clock import patient_clock

from runflowd.core.review import HELD_FOLDER, REJECTED_FOLDER, ReviewMode, ReviewPolicy
from runflowd.store.verdicts import Verdict, give_verdicts

if TYPE_CHECKING:
    from stage_rig import Rig

NAMES = ("a.jpg", "b.jpg")
STEPS = st.tuples(st.sampled_from([*Verdict, "edit", "remove", "squat", "squat on rejected"]), st.sampled_from(NAMES))


@dataclass
class People:
    """What people did to files: `theirs` is what they wrote, `taken` the results that are not runflowd's any more."""

    root: Path
    theirs: dict[Path, bytes] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def act(self, what: str, name: str) -> None:
        """Do something to the result of a file, where a person sees it, or where it would go."""
        seen = next((path for path in self._standing(name) if HELD_FOLDER not in path.parts), None)
        if what.startswith("squat"):
            self._write(self.root / (REJECTED_FOLDER if "rejected" in what else "") / name)
        elif seen is not None and what == "edit":
            self._write(seen, anew=False)
            self.taken.add(name)
        elif seen is not None:
            seen.unlink()
            self.taken.add(name)

    def _write(self, path: Path, *, anew: bool = True) -> None:
        if anew and path.exists():
            return
        path.parent.mkdir(exist_ok=True)
        self.theirs[path] = f"mine {len(self.theirs)}".encode()
        path.write_bytes(self.theirs[path])

    def _standing(self, name: str) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file() and path.read_bytes() == picture(name)]

    def places(self) -> dict[str, list[str]]:
        """In which folders below the output folder the result of each file stands that is still runflowd's."""
        return {
            name: [str(path.parent.relative_to(self.root)) for path in self._standing(name)]
            for name in NAMES
            if name not in self.taken
        }


async def live(folder: Path, mode: ReviewMode, steps: list[tuple[Verdict | str, str]]) -> None:
    """Two results, and what people say and do about them."""
    people, usual = People(folder / "out"), HELD_FOLDER if mode is ReviewMode.HOLD else "."
    by_verdict = {Verdict.ACCEPT: ".", Verdict.REJECT: REJECTED_FOLDER, Verdict.UNDO: usual}
    expected = dict.fromkeys(NAMES, usual)
    async with running(folder, rule(folder, review=ReviewPolicy(mode))) as rig:
        for name in NAMES:
            rig.drop(name)
        await rig.settled(2)
        numbers = {item.path: item.id for item in await rig.items()}
        for what, name in steps:
            if isinstance(what, Verdict):
                expected[name] = by_verdict[what]
                await judge(rig, numbers[name], what)
            else:
                people.act(what, name)

            assert people.places() == {each: [expected[each]] for each in NAMES if each not in people.taken}
            assert {path: path.read_bytes() for path in people.theirs} == people.theirs
        assert rig.charged() == [1, 1]


async def judge(rig: Rig, number: int, verdict: Verdict) -> None:
    """Give a verdict, and wait until it is carried out."""
    write = partial(give_verdicts, numbers=[number], verdict=verdict, who="", reason="", now=0.0)
    await rig.store.write(write)
    rig.engine.context.stage_events.notify_all()
    with anyio.fail_after(600):
        while (await rig.store.read(lambda connection: connection.all("verdicts_left")))[0]["count"]:
            await anyio.sleep(1)


@pytest.mark.parametrize("mode", [ReviewMode.HOLD, ReviewMode.AFTER])
@settings(max_examples=10, deadline=None)
@given(steps=st.lists(STEPS, min_size=8, max_size=14))
def test_a_result_stands_in_one_place_and_nothing_of_a_person_is_touched(
    mode: ReviewMode, steps: list[tuple[Verdict | str, str]]
) -> None:
    """Held, delivered or rejected, as the last verdict wants it, unless a person edited or removed it."""
    with tempfile.TemporaryDirectory() as folder:
        trio.run(live, Path(folder), mode, steps, clock=patient_clock())
