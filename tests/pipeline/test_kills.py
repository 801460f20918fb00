"""SIGKILL beside every step that not every file takes: what the next start makes of it.

The points that every file passes have their tests with whole processes, in tests/end_to_end/test_kill_matrix.py.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from doomed import EVERY_FILE, live_until
from postgres_server import quick_server
from stage_rig import EPOCH, picture, rule, running
from virtual_clock import patient_clock

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import After, AfterKind, BatchLimits, Existing, OnDelete
from runflowd.core.review import ReviewMode, ReviewPolicy
from runflowd.files import placing
from runflowd.store.links import learn_life
from runflowd.store.verdicts import Verdict, give_verdicts
from runflowd.system.failpoints import FAILPOINTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.system.paths import Place

ELSEWHERE = {
    "state.copied",
    "state.migrated",
    "backup.drafted",
    "command.recorded",
    "move.filled",
    "move.copied",
    "move.left",
    "source.aside",
    "source.disposed",
}
"""Points whose tests need no pipeline, or a whole one: of the state file, of commands, of a daemon."""

CREATE = "POST /v1/models/*/batches"
DOWNLOAD = "GET /storage/*"
UPLOAD = "POST /v1/asset-uploads"


@dataclass(frozen=True)
class Story:
    """What leads to a point, and what must have come of it after the next start.

    `outputs` are the files in the output folder, each with the seed of its picture or None for a note; `charged` is
    how often each content was. `rule` changes the usual rule, `later` changes it for the second life.
    """

    live: Callable[[Rig], Awaitable[None]]
    outputs: dict[str, str | None]
    charged: list[int] = field(default_factory=lambda: [1])
    rule: dict[str, Any] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)


async def dropped(rig: Rig) -> None:
    """Nothing but a file."""
    rig.drop("a.jpg", "a")
    await anyio.sleep(120)


async def failing(rig: Rig, route: str, **fault: Any) -> None:
    """A file while the service answers a route in a certain way."""
    rig.switch(faults={"requests": [{"route": route, **fault}]})
    await dropped(rig)


async def replaced_before_its_upload(rig: Rig) -> None:
    """A file is another one when its batch is uploaded."""
    rig.switch(faults={"requests": [{"route": UPLOAD, "kind": "status", "status": 503, "count": 5}]})
    rig.drop("a.jpg", "old")
    await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
    rig.drop("a.jpg", "a")
    await anyio.sleep(120)


async def refused_without_a_word(rig: Rig) -> None:
    """One of three files spoils the batch, and the service does not say which."""
    rig.switch(
        api_variants={"pointer": "none", "invalid_item": "batch"},
        faults={"runs": [{"match": "*bad.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}]},
    )
    for name in ("a.jpg", "b.jpg", "bad.jpg"):
        rig.drop(name, name[:-4])
    await anyio.sleep(120)


async def refused_body(rig: Rig) -> None:
    """The service takes the other form of a batch."""
    rig.switch(api_variants={"batch_body": "reference"})
    await dropped(rig)


async def refused_field(rig: Rig) -> None:
    """The service refuses a field of the body."""
    rig.switch(api_variants={"refused_field": "metadata"})
    await dropped(rig)


async def corrected(rig: Rig) -> None:
    """The misspelt model of a rule is corrected."""
    await dropped(rig)
    right = rule(rig.folder)
    rig.engine.context.rules = {right.name: right}
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(120)


async def failed(rig: Rig) -> None:
    """The service cannot do it."""
    rig.switch(faults={"runs": [{"kind": "fail"}]})
    await dropped(rig)


async def failed_and_touched(rig: Rig) -> None:
    """The second try succeeds."""
    rig.switch(faults={"runs": [{"kind": "fail"}]})
    path = rig.drop("a.jpg", "a")
    await rig.settled(1)
    await anyio.sleep(30)
    path.touch()
    await anyio.sleep(120)


async def renamed(rig: Rig) -> None:
    """A source that is done gets another name."""
    path = rig.drop("a.jpg", "a")
    await rig.settled(1)
    path.rename(path.with_name("b.jpg"))
    await anyio.sleep(120)


async def deleted(rig: Rig) -> None:
    """A source that is done goes away for good; another stays, for an empty folder proves nothing."""
    path, _ = rig.drop("a.jpg", "a"), rig.drop("b.jpg", "b")
    await rig.settled(2)
    path.unlink()
    await anyio.sleep(120)


async def inputs_stale(rig: Rig) -> None:
    """The prompt is edited while a file waits for its batch."""
    rig.drop("a.jpg", "a")
    await rig.until(lambda states: states.get("a.jpg") is ItemState.READY)
    changed = rule(rig.folder, input=NEW_PROMPT)
    rig.engine.context.rules = {changed.name: changed}
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(120)


async def out_of_reach(rig: Rig) -> None:
    """A request is clearly not taken until its links are too old."""
    await rig.store.write(lambda connection: learn_life(connection, "test", 20.0))
    await failing(rig, CREATE, kind="status", status=405, count=6)


async def unreadable(rig: Rig) -> None:
    """The service finds the link to the upload closed."""
    rig.switch(faults={"runs": [{"kind": "unreadable"}]})
    await dropped(rig)


async def unreadable_at_creation(rig: Rig) -> None:
    """The same, told at once; the other file of the batch is bought."""
    fault = {"match": "*a.jpg", "kind": "invalid", "message": "this asset URL has expired"}
    rig.switch(faults={"runs": [fault]})
    rig.drop("b.jpg", "b")
    await dropped(rig)


async def judged(rig: Rig, verdict: Verdict) -> None:
    """A held result is judged."""
    rig.drop("a.jpg", "a")
    await rig.settled(1)
    await rig.store.write(partial(give_verdicts, numbers=[1], verdict=verdict, who="", reason="", now=EPOCH))
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(120)


async def judged_and_undone(rig: Rig) -> None:
    """A delivered result is rejected, and that is taken back."""
    await judged(rig, Verdict.REJECT)
    await rig.store.write(partial(give_verdicts, numbers=[1], verdict=Verdict.UNDO, who="", reason="", now=EPOCH))
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(120)


HELD = {"review": ReviewPolicy(ReviewMode.HOLD)}
JUDGED_AFTER = {"review": ReviewPolicy(ReviewMode.AFTER)}
NEW_PROMPT = {"image_url": "${file.url}", "prompt": "new"}
OLD_PROMPT = {"image_url": "${file.url}", "prompt": "old"}
NOTE: dict[str, str | None] = {"a.jpg.failed.txt": None}

STORIES = {
    "incident.recorded": Story(partial(failing, route=CREATE, kind="status", status=503, count=3), {"a.jpg": "a"}),
    "rule.worded:2": Story(
        inputs_stale,
        {"a.jpg": "a"},
        rule={"input": OLD_PROMPT, "batch": BatchLimits(quiet=600, max_wait=900)},
        later={"input": NEW_PROMPT, "batch": BatchLimits(quiet=5, max_wait=60)},
    ),
    "item.dropped": Story(replaced_before_its_upload, {"a.jpg": "a"}),
    "purchase.outdated": Story(out_of_reach, {"a.jpg": "a"}),
    "upload.resent": Story(unreadable, {"a.jpg": "a"}),
    "upload.resent:1": Story(unreadable_at_creation, {"a.jpg": "a", "b.jpg": "b"}, [1, 1]),
    "purchase.refused": Story(refused_body, {"a.jpg": "a"}),
    "purchase.adopted": Story(partial(failing, route=CREATE, kind="lose"), {"a.jpg": "a"}),
    "batch.split": Story(refused_without_a_word, {"a.jpg": "a", "b.jpg": "b", "bad.jpg": "bad"}, [1, 1, 1]),
    "body.learnt": Story(refused_field, {"a.jpg": "a"}),
    "batch.put_back": Story(
        corrected, {"a.jpg": "a"}, rule={"model": "runflow/pass-thru"}, later={"model": "runflow/pass-through"}
    ),
    "batch.ended": Story(dropped, {"a.jpg": "a"}),
    "result.doubted": Story(partial(failing, route=DOWNLOAD, kind="login"), {"a.jpg": "a"}),
    "result.lost": Story(partial(failing, route=DOWNLOAD, kind="status", status=404), NOTE),
    "note.written": Story(failed, NOTE, []),
    "note.removed": Story(failed_and_touched, {"a.jpg": "a"}),
    "output.shared": Story(renamed, {"b.jpg": "a"}),
    "output.cleared": Story(renamed, {"b.jpg": "a"}),
    "output.reserved:2": Story(partial(judged, verdict=Verdict.ACCEPT), {"a.jpg": "a"}, rule=HELD),
    "verdict.moved": Story(partial(judged, verdict=Verdict.ACCEPT), {"a.jpg": "a"}, rule=HELD),
    "verdict.recorded": Story(partial(judged, verdict=Verdict.REJECT), {"rejected/a.jpg": "a"}, rule=HELD),
    "output.reserved:3": Story(judged_and_undone, {"a.jpg": "a"}, rule=JUDGED_AFTER),
    "verdict.moved:2": Story(judged_and_undone, {"a.jpg": "a"}, rule=JUDGED_AFTER),
    "verdict.recorded:2": Story(judged_and_undone, {"a.jpg": "a"}, rule=JUDGED_AFTER),
    "output.removed": Story(deleted, {"b.jpg": "b"}, [1, 1], rule={"on_delete": OnDelete.REMOVE}),
}


ON_A_SERVER = (
    "batch.sealed",
    "purchase.intended",
    "purchase.answered",
    "purchase.adopted",
    "batch.split",
    "results.recorded",
    "output.reserved",
    "output.renamed",
    "output.recorded",
)


def died_and_lived_on(
    folder: Path, point: str, story: Story, *, place: Place | None = None
) -> tuple[int, dict[str, str | None], list[int]]:
    """How the first life ended, and what stands in the output folder and in the books after the second."""
    first, second = rule(folder, **story.rule), rule(folder, **{**story.rule, **story.later})

    async def live() -> None:
        async with running(folder, first, place=place) as rig:
            await story.live(rig)

    async def live_on() -> list[int]:
        async with running(folder, second, began=EPOCH + 3_600, place=place) as rig:
            await anyio.sleep(120)
            return rig.charged()

    code = live_until(point, live)
    charged = trio.run(live_on, clock=patient_clock())
    return code, shown(folder / "out"), charged


def shown(root: Path) -> dict[str, str | None]:
    """Every file in a folder, hidden ones included, with the seed of its picture; None for what is no picture."""
    seeds = {picture(seed): seed for seed in ("a", "b", "bad", "old")}
    return {str(path.relative_to(root)): seeds.get(path.read_bytes()) for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("point", STORIES)
def test_a_kill_beside_a_rare_step_leaves_the_books_as_promised(tmp_path: Path, point: str) -> None:
    """Bought once, delivered whole, nothing left over, whichever step was the last (scenarios 58 to 61, 75)."""
    story = STORIES[point]

    assert (-signal.SIGKILL, story.outputs, story.charged) == died_and_lived_on(tmp_path, point, story)


@pytest.mark.parametrize("point", ON_A_SERVER)
def test_a_kill_leaves_the_books_as_promised_with_the_state_on_a_server_as_well(tmp_path: Path, point: str) -> None:
    """The points around purchase, delivery and their commits; `make postgresql` kills at all of them."""
    story, place = STORIES.get(point, Story(dropped, {"a.jpg": "a"})), quick_server().prepared()

    assert (-signal.SIGKILL, story.outputs, story.charged) == died_and_lived_on(tmp_path, point, story, place=place)


def other_disk(*_: object, **__: object) -> None:
    """What the kernel says to a rename between two file systems."""
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.mark.parametrize("point", ["source.copied", "source.disposed"])
def test_a_kill_while_a_source_is_archived_on_another_disk_leaves_it_there_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """The copy is recognised by its content, and the source still goes (scenario 75)."""
    monkeypatch.setattr(placing, "rename", other_disk)
    story = Story(dropped, {"a.jpg": "a"}, rule={"after": After(AfterKind.MOVE, str(tmp_path / "archive"))})
    found = died_and_lived_on(tmp_path, point, story)

    assert (-signal.SIGKILL, story.outputs, story.charged) == found
    assert ({}, {"a.jpg": "a"}) == (shown(tmp_path / "in"), shown(tmp_path / "archive"))


def test_a_rule_killed_as_it_was_opened_keeps_its_word_about_old_files(tmp_path: Path) -> None:
    """What was there before its rule stays left out, what came while nobody ran is bought (scenario 127)."""
    skipping = rule(tmp_path, existing=Existing.SKIP)
    (tmp_path / "in" / "old.jpg").write_bytes(picture("old"))

    async def live() -> None:
        async with running(tmp_path, skipping):
            await anyio.sleep(60)

    async def live_on() -> list[int]:
        async with running(tmp_path, skipping, began=EPOCH + 3_600) as rig:
            await anyio.sleep(60)
            return rig.charged()

    code = live_until("rule.opened", live)
    (tmp_path / "in" / "a.jpg").write_bytes(picture("a"))
    charged = trio.run(live_on, clock=patient_clock())

    assert (-signal.SIGKILL, {"a.jpg": "a"}, [1]) == (code, shown(tmp_path / "out"), charged)


def test_every_point_has_a_test_that_kills_there() -> None:
    """One that nobody reaches would promise more than is known."""
    told = {point.partition(":")[0] for point in STORIES} | {"rule.opened", "source.copied"}
    told |= {"receipt.reserved", "receipt.written"}  # tests/pipeline/test_receipts.py

    assert told | ELSEWHERE | set(EVERY_FILE) == set(FAILPOINTS)
