"""What users do with their files, and what becomes of the results."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import picture, rule, running

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import After, AfterKind, Existing, OnDelete
from runflowd.pipeline.deliver.finalizer import Finalizer
from runflowd.pipeline.deliver.output_io import OutputIo
from runflowd.pipeline.deliver.receipt_writer import ReceiptWriter

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.store.items import Item

pytestmark = pytest.mark.anyio


async def test_a_touched_file_costs_nothing(tmp_path: Path) -> None:
    """A new mtime on the same content is not new work."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        await rig.settled(1)
        os.utime(path, (1, 1))
        await anyio.sleep(60)

        assert ({"a.jpg": ItemState.DONE}, [1]) == (await rig.states(), rig.charged())


async def test_a_replaced_file_replaces_its_result(tmp_path: Path) -> None:
    """New content under the old name is new work, and its result takes the old one's place (scenario 11)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.drop("a.jpg", seed=2)
        await anyio.sleep(60)

        assert picture(2) == (tmp_path / "out/a.jpg").read_bytes()
        assert ({"a.jpg"}, [1, 1]) == (rig.outputs(), rig.charged())


async def test_a_renamed_file_takes_its_result_along(tmp_path: Path) -> None:
    """No purchase, no leftover (scenario 13)."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        await rig.settled(1)
        path.rename(path.with_name("b.jpg"))
        await anyio.sleep(60)

        assert ({"b.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_a_copy_made_later_shares_the_result(tmp_path: Path) -> None:
    """The same content elsewhere in the rule is copied, not paid for."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg", seed=1)
        await rig.settled(1)
        rig.drop("x/b.jpg", seed=1)
        await anyio.sleep(60)

        assert ({"a.jpg", "x/b.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_a_reverted_file_gets_its_old_result_back(tmp_path: Path) -> None:
    """The first content again: its result was paid for, so it is fetched, not bought."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg", seed=1)
        await rig.settled(1)
        rig.drop("a.jpg", seed=2)
        await anyio.sleep(60)
        rig.drop("a.jpg", seed=1)
        await anyio.sleep(60)

        assert picture(1) == (tmp_path / "out/a.jpg").read_bytes()
        assert [1, 1] == rig.charged()


async def test_an_edited_result_is_never_overwritten(tmp_path: Path) -> None:
    """The retouched output stays; the new result stands beside it (scenario 53)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "out/a.jpg").write_bytes(picture("retouched"))
        rig.drop("a.jpg", seed=2)
        await anyio.sleep(60)

        assert picture("retouched") == (tmp_path / "out/a.jpg").read_bytes()
        assert picture(2) == (tmp_path / "out/a (jpg).jpg").read_bytes()


async def foreign(folder: Path, name: str) -> None:
    """Somebody puts a file of their own among the results, once the rule is at work."""
    await anyio.sleep(30)
    (folder / "out").mkdir(exist_ok=True)
    (folder / "out" / name).write_bytes(b"mine")


async def test_a_foreign_file_is_never_overwritten(tmp_path: Path) -> None:
    """A file that runflowd did not write keeps its name."""
    async with running(tmp_path) as rig:
        await foreign(tmp_path, "a.jpg")
        rig.drop("a.jpg")
        await rig.settled(1)

        assert (b"mine", {"a.jpg", "a (jpg).jpg"}) == ((tmp_path / "out/a.jpg").read_bytes(), rig.outputs())


async def test_overwrite_is_a_decision_of_the_rule(tmp_path: Path) -> None:
    """With `overwrite: true` a foreign file gives way."""
    async with running(tmp_path, rule(tmp_path, overwrite=True)) as rig:
        await foreign(tmp_path, "a.jpg")
        rig.drop("a.jpg", seed=1)
        await rig.settled(1)

        assert picture(1) == (tmp_path / "out/a.jpg").read_bytes()


async def test_a_deleted_result_stays_deleted(tmp_path: Path) -> None:
    """Whoever removed it meant it; touching the input does not bring it back (scenario 54)."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "out/a.jpg").unlink()
        path.touch()
        await anyio.sleep(60)

        assert (set(), [1]) == (rig.outputs(), rig.charged())


async def test_two_inputs_never_share_an_output(tmp_path: Path) -> None:
    """a.jpg and a.png both give a.jpg: the later one gets a name of its own (scenario 50)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg", seed=1)
        await rig.settled(1)
        rig.drop("a.png", seed=2)
        await rig.settled(2)

        assert {"a.jpg", "a (png).jpg"} == rig.outputs()


async def test_a_file_deleted_before_it_was_sent_is_dropped_quietly(tmp_path: Path) -> None:
    """No purchase, no failure (scenario 9)."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.READY)
        path.unlink()
        await anyio.sleep(60)

        assert ([], set()) == (rig.charged(), rig.outputs())


async def test_a_file_deleted_in_flight_is_delivered(tmp_path: Path) -> None:
    """It was paid for (scenario 10)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 60}]})
        path = rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        path.unlink()
        await rig.settled(1)

        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_deleting_an_input_keeps_its_result(tmp_path: Path) -> None:
    """`on_delete: keep` is the default."""
    async with running(tmp_path) as rig:
        rig.drop("other.jpg")
        path = rig.drop("a.jpg")
        await rig.settled(2)
        path.unlink()
        await anyio.sleep(300)

        assert {"a.jpg", "other.jpg"} == rig.outputs()


async def test_deleting_an_input_may_remove_its_result(tmp_path: Path) -> None:
    """`on_delete: remove`, after a grace time in which a rename would have shown."""
    async with running(tmp_path, rule(tmp_path, on_delete=OnDelete.REMOVE)) as rig:
        rig.drop("other.jpg")
        path = rig.drop("a.jpg")
        await rig.settled(2)
        path.unlink()
        await anyio.sleep(300)

        assert {"other.jpg"} == rig.outputs()


async def test_results_that_cannot_be_removed_do_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as one look takes stand in a folder that lets nothing go; those behind them go nevertheless."""
    monkeypatch.setattr("runflowd.pipeline.intake.removal.PAGE", 2)
    remove = files.remove_written

    def stuck(root: str, relative: str, sha256: str) -> bool:
        if "stuck" in relative:
            raise files.Forbidden("remove", relative)
        return remove(root, relative, sha256)

    monkeypatch.setattr(files, "remove_written", stuck)
    async with running(tmp_path, rule(tmp_path, on_delete=OnDelete.REMOVE)) as rig:
        paths = [rig.drop(f"stuck/{number}.jpg") for number in range(3)]
        await rig.settled(3)
        paths += [rig.drop("a.jpg"), rig.drop("b.jpg"), rig.drop("other.jpg")]
        await rig.settled(6)
        for path in paths[:-1]:
            path.unlink()
        await rig.until(lambda _: rig.outputs() == {"other.jpg", *(f"stuck/{number}.jpg" for number in range(3))})


async def test_a_link_set_between_a_result_and_its_folder_is_not_followed(tmp_path: Path) -> None:
    """Whoever writes below an output folder may put a link there: what it leads to is nobody's result."""
    async with running(tmp_path, rule(tmp_path, on_delete=OnDelete.REMOVE)) as rig:
        rig.drop("other.jpg")
        path = rig.drop("sub/a.jpg")
        await rig.settled(2)
        (tmp_path / "out/sub").rename(tmp_path / "elsewhere")
        (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
        missing = await rig.ask("rerun-choose", rule="studio", missing=True)
        path.unlink()
        await anyio.sleep(300)

        assert {"other.jpg": "same", "sub/a.jpg": "fetch"} == {each["path"]: each["what"] for each in missing["items"]}
        assert (tmp_path / "elsewhere/a.jpg").exists()


@pytest.mark.parametrize("ending", ["emptied", "removed"])
async def test_an_empty_or_vanished_root_is_no_deletion(tmp_path: Path, ending: str) -> None:
    """A lost mount must not remove results (scenarios 32, 33)."""
    async with running(tmp_path, rule(tmp_path, on_delete=OnDelete.REMOVE)) as rig:
        path = rig.drop("a.jpg")
        await rig.settled(1)
        path.unlink()
        if ending == "removed":
            path.parent.rmdir()
        await anyio.sleep(600)

        assert {"a.jpg"} == rig.outputs()


async def test_after_success_the_source_may_be_moved(tmp_path: Path) -> None:
    """`after: {move: DIR}` keeps the relative path."""
    archive = str(tmp_path / "archive")
    async with running(tmp_path, rule(tmp_path, after=After(AfterKind.MOVE, archive))) as rig:
        path = rig.drop("x/a.jpg")
        await rig.settled(1)

        assert (False, True) == (path.exists(), (tmp_path / "archive/x/a.jpg").exists())


async def test_an_archive_keeps_every_file_of_a_name(tmp_path: Path) -> None:
    """Cameras count from 1 again and again: the later file gets a mark, and nothing is replaced or left behind."""
    archive = tmp_path / "archive"
    async with running(tmp_path, rule(tmp_path, after=After(AfterKind.MOVE, str(archive)))) as rig:
        rig.drop("x/a.jpg", seed=1)
        await rig.until(lambda _: (archive / "x/a.jpg").exists())
        rig.drop("x/a.jpg", seed=2)
        await rig.until(lambda _: not (tmp_path / "in/x/a.jpg").exists())
        contents = {path.name: path.read_bytes() for path in (archive / "x").iterdir()}

    mark = hashlib.sha256(picture(2)).hexdigest()[:8]
    assert {"a.jpg": picture(1), f"a~{mark}.jpg": picture(2)} == contents


async def test_the_same_file_dropped_again_is_cleared_away_again(tmp_path: Path) -> None:
    """`after: delete` empties the folder whatever comes in, and pays once."""
    async with running(tmp_path, rule(tmp_path, after=After(AfterKind.DELETE))) as rig:
        for _ in range(2):
            path = rig.drop("a.jpg", seed=1)
            await rig.until(lambda states: states.get("a.jpg") is ItemState.DONE)
            await anyio.sleep(60)

        assert (False, [1], {"a.jpg"}) == (path.exists(), rig.charged(), rig.outputs())


async def test_what_was_there_before_its_rule_may_be_skipped(tmp_path: Path) -> None:
    """`existing: skip` buys only what comes later (scenario 127)."""
    chosen = rule(tmp_path, existing=Existing.SKIP)
    (tmp_path / "in/old.jpg").write_bytes(picture("old"))
    async with running(tmp_path, chosen) as rig:
        await rig.until(lambda states: states == {"old.jpg": ItemState.SKIPPED})
        rig.drop("new.jpg")
        await rig.settled(2)

        assert ({"new.jpg"}, [1]) == (rig.outputs(), rig.charged())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.jpg", b"hello there, this is a letter\n", "text"),
        ("report.jpg", b"%PDF-1.7\n1 0 obj\n", "PDF"),
        ("empty.jpg", b"", "empty"),
        ("half.jpg", picture("half")[:-40], "end"),
    ],
)
async def test_what_is_no_whole_image_fails_with_a_reason(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    """A note stands in the output folder; nothing is bought (scenarios 4, 14, 16, 17)."""
    async with running(tmp_path) as rig:
        (tmp_path / "in" / name).write_bytes(content)
        await rig.settled(1)

        assert ({name: ItemState.FAILED}, []) == (await rig.states(), rig.charged())
        assert words in (tmp_path / "out" / f"{name}.failed.txt").read_text()


async def test_a_file_over_the_limit_fails_with_the_limit_in_the_text(tmp_path: Path) -> None:
    """52,428,801 bytes are one too many (scenario 15)."""
    async with running(tmp_path) as rig:
        with (tmp_path / "in/big.jpg").open("wb") as file:
            file.truncate(52_428_801)
        await rig.settled(1)

        assert "52,428,800" in (tmp_path / "out/big.jpg.failed.txt").read_text()


async def test_a_name_that_is_no_text_survives_the_journey(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, newlines and quotes (scenarios 45, 46)."""
    name = os.fsdecode(b"caf\xe9 \n'\".jpg")
    async with running(tmp_path) as rig:
        rig.drop("plain.jpg")
        (tmp_path / "in" / name).write_bytes(picture("odd"))
        await rig.settled(2)

        assert {"plain.jpg", name} == rig.outputs()


async def report_failure(rig: Rig, item: Item) -> None:
    """Write the note about an item, as the deliver stage does."""
    context = rig.engine.context
    output_io = OutputIo(context.io, context.store, context.clock)
    finalizer = Finalizer(context, output_io, ReceiptWriter(context, output_io))
    await finalizer.report_failure(item, context.rules[item.rule])


async def test_a_note_that_comes_too_late_goes_again(tmp_path: Path) -> None:
    """The file was replaced and done while the note about the old one was being written."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        path.write_bytes(b"no image")
        await rig.settled(1)
        (failed,) = await rig.items()
        rig.drop("a.jpg")
        await rig.until(lambda states: states["a.jpg"] is ItemState.DONE)
        await report_failure(rig, failed)

        assert {"a.jpg"} == rig.outputs()


async def test_the_note_of_a_newer_failure_stays(tmp_path: Path) -> None:
    """A late note about an older content does not take it away; the newer one is written again."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        path.write_bytes(b"no image")
        await rig.settled(1)
        (failed,) = await rig.items()
        path.write_bytes(b"still no image")
        await anyio.sleep(60)
        await report_failure(rig, failed)
        rig.engine.context.stage_events.deliver.notify()
        await anyio.sleep(60)

        (item,) = await rig.items()
        assert ({"a.jpg.failed.txt"}, True) == (rig.outputs(), item.generation > failed.generation)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, times: int = 3) -> list[str]:
    """Let the disk refuse the first calls of a function of `runflowd.files`; each leaves a word."""
    real, refused = getattr(files, name), list[str]()

    def call(*arguments: Any, **options: Any) -> Any:
        if len(refused) < times:
            refused.append(name)
            raise files.NoSpace(name, str(arguments[0]))
        return real(*arguments, **options)

    monkeypatch.setattr(files, name, call)
    return refused


async def test_a_source_that_cannot_be_archived_now_is_archived_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the archive is full for a while; a copy of the file does not wait for that (scenario 55)."""
    refused = refuse(monkeypatch, "move", 8)
    archiving = rule(tmp_path, after=After(AfterKind.MOVE, str(tmp_path / "archive")))
    async with running(tmp_path, archiving) as rig:
        rig.drop("a.jpg", seed=1)
        await rig.until(lambda _: bool(refused))
        await rig.settled(1)

        assert ["a.jpg"] == [path.name for path in (tmp_path / "archive").iterdir()]  # time stands still
        assert ([], ["move"] * 8) == (list((tmp_path / "in").iterdir()), refused)


async def test_a_result_that_cannot_be_removed_now_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its source is gone and it is to go along; a disk that refuses once does not make it stay."""
    async with running(tmp_path, rule(tmp_path, on_delete=OnDelete.REMOVE)) as rig:
        source, _ = rig.drop("a.jpg"), rig.drop("b.jpg")
        await rig.settled(2)
        refused = refuse(monkeypatch, "remove_written", 1)
        source.unlink()
        await anyio.sleep(200)

        assert ({"b.jpg"}, ["remove_written"]) == (rig.outputs(), refused)


async def test_the_old_result_of_a_renamed_source_goes_although_the_disk_refused_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays on record until it is gone (scenario 13)."""
    async with running(tmp_path) as rig:
        source = rig.drop("a.jpg")
        await rig.settled(1)
        refused = refuse(monkeypatch, "remove_written", 1)
        source.rename(source.with_name("b.jpg"))
        await anyio.sleep(200)

        assert ({"b.jpg"}, ["remove_written"]) == (rig.outputs(), refused)
