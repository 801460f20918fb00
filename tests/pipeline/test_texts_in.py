"""Text files, and the names of files, as words of an input: nothing is uploaded, and all else holds as for images."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import picture, rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.media.kinds import MediaKind
from runflowd.local.models.contract import EncodedFile, InputSpec, Model, Result

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio

SAY = "runflow/say"


def say(given: Any, _: Any) -> Result:
    """What a model was given, as its result."""
    return Result((EncodedFile("said.txt", "text/plain", f"I say: {given['text']}\n".encode(), 0, 0),))


def speaks(rig: Rig) -> None:
    """Let the service have a model that takes words alone."""
    inputs = InputSpec("text", "string", required=True), InputSpec("logo", "image")
    rig.local.service.models[SAY] = Model(SAY, "Say", "", Decimal("0.10"), inputs, "outputs", True, say)


def words(folder: Path, template: str = "${file.text}", **changes: Any) -> Rule:
    """A rule that words its input by the file."""
    return rule(folder, model=SAY, input={"text": template}, **{"accept": (MediaKind.TEXT,), **changes})


def uploads(rig: Rig) -> int:
    return len(rig.local.service.storage.all("SELECT id FROM assets WHERE source_type = 'upload'"))


async def test_what_stands_in_a_text_is_what_the_model_gets(tmp_path: Path) -> None:
    """With quotes, dollars and what looks like a placeholder in it; nothing is uploaded."""
    async with running(tmp_path, words(tmp_path)) as rig:
        speaks(rig)
        (tmp_path / "in/greeting.md").write_text('Grüße, "${file.url}" costs $5 $$ ${x}\r\n', "utf-8")
        await rig.settled(1)

        assert 'I say: Grüße, "${file.url}" costs $5 $$ ${x}\n' == (tmp_path / "out/greeting.txt").read_text("utf-8")
        assert (0, [1]) == (uploads(rig), rig.charged())


async def test_two_equal_texts_are_bought_once(tmp_path: Path) -> None:
    """As every content is, whatever it is called."""
    async with running(tmp_path, words(tmp_path)) as rig:
        speaks(rig)
        for name in ("a.txt", "b.txt"):
            (tmp_path / "in" / name).write_text("hello", "utf-8")
        await rig.settled(2)

        assert ({"a.txt", "b.txt"}, [1]) == (rig.outputs(), rig.charged())


async def test_a_text_that_is_no_utf8_fails_with_the_place(tmp_path: Path) -> None:
    """The file beside it is not held up."""
    async with running(tmp_path, words(tmp_path)) as rig:
        speaks(rig)
        (tmp_path / "in/bad.txt").write_bytes("Grüße".encode("latin-1"))
        (tmp_path / "in/good.txt").write_text("hello", "utf-8")
        await rig.settled(2)
        bad = next(item for item in await rig.items() if item.path == "bad.txt")

        assert (ItemState.FAILED, "NOT_ACCEPTED") == (bad.state, bad.failure_code)
        assert "byte 0xFC at offset 2 (line 1, byte 3 of it)" in (bad.failure or "")
        assert {"bad.txt.failed.txt", "good.txt"} == rig.outputs()


async def test_what_is_no_text_by_its_name_is_left_out(tmp_path: Path) -> None:
    """A photo beside the texts is nobody's mistake."""
    async with running(tmp_path, words(tmp_path)) as rig:
        speaks(rig)
        rig.drop("a.jpg")
        (tmp_path / "in/table.csv").write_text("1,2", "utf-8")
        await rig.settled(2)

        assert ({ItemState.SKIPPED}, []) == (set((await rig.states()).values()), rig.charged())


async def test_a_text_that_changed_since_it_was_hashed_is_bought_as_it_is_now(tmp_path: Path) -> None:
    """Never under the hash of another version: what is sent is read again, and held against that."""
    (tmp_path / "logo.jpg").write_bytes(picture("logo"))
    branded = replace(
        words(tmp_path),
        input={"text": "${file.text}", "logo": "${files.logo.url}"},
        files={"logo": str(tmp_path / "logo.jpg")},
    )
    async with running(tmp_path, branded) as rig:
        speaks(rig)
        rig.switch(
            faults={"requests": [{"route": "POST /v1/asset-uploads", "kind": "status", "status": 503, "count": 5}]}
        )
        text = tmp_path / "in/a.txt"
        text.write_text("first", "utf-8")
        await rig.until(lambda states: states.get("a.txt") is ItemState.QUEUED)
        text.write_text("second version", "utf-8")
        await rig.until(lambda states: states.get("a.txt") is ItemState.DONE)

        assert "I say: second version\n" == (tmp_path / "out/a.txt").read_text("utf-8")
        assert [1] == rig.charged()


async def test_the_name_alone_may_word_an_input(tmp_path: Path) -> None:
    """Each name is a wish of its own, though the contents are equal; nothing is uploaded."""
    every = tuple(MediaKind)
    async with running(tmp_path, words(tmp_path, "a ${file.stem}", accept=every)) as rig:
        speaks(rig)
        for name in ("red bicycle.txt", "blue boat.txt"):
            (tmp_path / "in" / name).write_text("anything", "utf-8")
        rig.drop("green car.jpg")
        await rig.settled(3)

        assert {
            "red bicycle.txt": "I say: a red bicycle\n",
            "blue boat.txt": "I say: a blue boat\n",
            "green car.txt": "I say: a green car\n",
        } == {name: (tmp_path / "out" / name).read_text("utf-8") for name in rig.outputs()}
        assert (0, [1, 1, 1]) == (uploads(rig), rig.charged())


async def test_a_file_too_large_to_upload_may_still_name_an_input(tmp_path: Path) -> None:
    """The limit is that of uploads, and there is none."""
    async with running(tmp_path, words(tmp_path, "a ${file.stem}", accept=(MediaKind.IMAGE,))) as rig:
        speaks(rig)
        rig.engine.context.limits = replace(rig.engine.context.limits, upload_size=10)
        rig.drop("boat.jpg")
        await rig.settled(1)

        assert {"boat.jpg": ItemState.DONE} == await rig.states()


async def test_a_folder_that_asks_for_the_words_of_a_photo_fails_its_files(tmp_path: Path) -> None:
    """A `_runflow.yaml` may write ${file.text} where the rule takes images: the files say so, the rest goes on."""
    images = rule(tmp_path, model=SAY, input={"text": "${file.stem}"}, overridable=("text",), accept=(MediaKind.IMAGE,))
    async with running(tmp_path, images) as rig:
        speaks(rig)
        (tmp_path / "in/x").mkdir()
        (tmp_path / "in/x/_runflow.yaml").write_text("text: ${file.text}\n", "utf-8")
        rig.drop("x/a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        await anyio.sleep(60)

        assert {"x/a.jpg": ItemState.FAILED, "b.jpg": ItemState.DONE} == await rig.states()


async def test_a_file_beyond_what_its_model_takes_fails_before_it_is_sent(tmp_path: Path) -> None:
    """The rule says how large that is; the reason names the key."""
    async with running(tmp_path, rule(tmp_path, max_file_size=10)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        found = (await rig.items())[0]

        assert ("TOO_LARGE", 0, []) == (found.failure_code, uploads(rig), rig.charged())
        assert "takes at most 10 (max_file_size)" in (found.failure or "")
