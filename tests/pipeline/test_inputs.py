"""What goes along with a file: reference files, archives, and the settings of its folder."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from failing_calls import Calls
from local_service import BASE
from stage_rig import picture, rule, running
from structlog.testing import capture_logs

from runflowd.core.lifecycle import ItemState
from runflowd.pipeline.intake import references
from runflowd.store.store import NotDurable

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio


async def sent(rig: Rig) -> list[dict[str, Any]]:
    """The input of every run the service made, oldest first."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(rig.local.app), base_url=BASE, headers={"Authorization": "Bearer key"}
    ) as http:
        runs = (await http.get("/v1/runs", params={"sort_by": "created_at:asc"})).raise_for_status().json()["items"]
        return [(await http.get(f"/v1/runs/{run['id']}")).json()["input"] for run in runs]


async def fetched(rig: Rig, url: str) -> bytes:
    """What lies behind one of the service's addresses."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(rig.local.app), base_url=BASE) as http:
        return (await http.get(url)).raise_for_status().content


async def test_a_reference_file_is_uploaded_once_for_all(tmp_path: Path) -> None:
    """Two batches, one upload of the reference; its address stands where the rule says."""
    (tmp_path / "logo.jpg").write_bytes(picture("logo"))
    chosen = rule(
        tmp_path,
        files={"logo": str(tmp_path / "logo.jpg")},
        input={"image_url": "${file.url}", "extras": [{"logo": "${files.logo.url}"}]},
    )
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.drop("b.jpg")
        await rig.settled(2)
        inputs = await sent(rig)

        assert [picture("logo")] * 2 == [await fetched(rig, each["extras"][0]["logo"]) for each in inputs]
        assert rig.local.service.requests["PUT /storage/{asset_id}/{name:anything}"] == 3


async def test_a_changed_reference_is_a_changed_recipe(tmp_path: Path) -> None:
    """The same file under a new logo is new work when it comes again under another name."""
    logo = tmp_path / "logo.jpg"
    logo.write_bytes(picture("old logo"))
    chosen = rule(tmp_path, files={"logo": str(logo)}, input={"image_url": "${file.url}", "logo": "${files.logo.url}"})
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg", seed=1)
        await rig.settled(1)
        logo.write_bytes(picture("new logo, longer"))
        rig.drop("b.jpg", seed=1)
        await rig.settled(2)

        assert [1, 1] == rig.charged()
        assert picture("new logo, longer") == await fetched(rig, (await sent(rig))[1]["logo"])


async def test_a_changed_reference_is_sent_although_it_could_not_be_recorded_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule text that the state file did not take is offered to it again, or files would wait under the old one."""
    logo, renew = tmp_path / "logo.jpg", references._renew
    failures = iter([NotDurable(tmp_path, "disk full")])

    def failing_once(*given: Any) -> str:
        for failure in failures:
            raise failure
        return renew(*given)

    logo.write_bytes(picture("old logo"))
    chosen = rule(tmp_path, files={"logo": str(logo)}, input={"image_url": "${file.url}", "logo": "${files.logo.url}"})
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        monkeypatch.setattr(references, "_renew", failing_once)
        logo.write_bytes(picture("new logo, longer"))
        rig.drop("b.jpg")
        await rig.settled(2)

        assert picture("new logo, longer") == await fetched(rig, (await sent(rig))[1]["logo"])


async def test_a_reference_that_is_still_being_copied_holds_the_rule_until_it_is_whole(tmp_path: Path) -> None:
    """Nothing is bought with half of a logo, be it the first or one that takes the place of another."""
    logo, whole = tmp_path / "logo.jpg", picture("new logo, longer")
    logo.write_bytes(picture("logo"))
    chosen = rule(tmp_path, files={"logo": str(logo)}, input={"image_url": "${file.url}", "logo": "${files.logo.url}"})
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        logo.write_bytes(whole[: len(whole) // 2])
        rig.drop("b.jpg")
        await anyio.sleep(300)
        (report,) = rig.engine.context.incidents.snapshot()
        meanwhile = rig.charged()
        logo.write_bytes(whole)
        await rig.settled(2)

        assert ("REFERENCE_UNUSABLE", [1], [1, 1]) == (report.code, meanwhile, rig.charged())
        assert whole == await fetched(rig, (await sent(rig))[1]["logo"])


async def test_a_reference_is_uploaded_as_what_its_bytes_are(tmp_path: Path) -> None:
    """An archive too, which no rule takes as a file: a service refuses the upload of a type it has not heard of."""
    masks = tmp_path / "masks.zip"
    with zipfile.ZipFile(masks, "w") as archive:
        archive.writestr("mask.png", picture("mask"))
    bundle = {"image_url": "${file.url}", "bundle": "${files.masks.url}"}
    chosen = rule(tmp_path, files={"masks": str(masks)}, input=bundle)
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rows = rig.local.service.storage.all("SELECT mime_type FROM assets WHERE name = 'masks.zip'")

        assert (["application/zip"], [1]) == ([row["mime_type"] for row in rows], rig.charged())


async def test_a_reference_that_the_service_does_not_take_holds_the_rule_and_says_so(tmp_path: Path) -> None:
    """Nothing is bought without it, and no file is blamed."""
    (tmp_path / "look.cube").write_bytes(b"\x00\x01 a table of colours")
    look = {"image_url": "${file.url}", "look": "${files.look.url}"}
    chosen = rule(tmp_path, files={"look": str(tmp_path / "look.cube")}, input=look)
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg")
        await anyio.sleep(300)
        (told,) = rig.engine.context.incidents.snapshot()

        assert ("RULE_REFUSED", [], {"a.jpg": ItemState.QUEUED}) == (told.code, rig.charged(), await rig.states())
        assert f"named as look under `files`, {tmp_path}/look.cube: " in told.message
        assert "GET /v1/assets/types" in told.message

        (tmp_path / "look.cube").write_bytes(picture("look"))
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE})

        assert ([1], ()) == (rig.charged(), tuple(rig.engine.context.incidents.snapshot()))


async def test_a_missing_reference_holds_the_rule_and_says_so(tmp_path: Path) -> None:
    """Nothing is bought without it, and `sync` does not wait for it; the files go on when it is there."""
    logo = tmp_path / "logo.jpg"
    chosen = rule(tmp_path, files={"logo": str(logo)}, input={"image_url": "${file.url}", "logo": "${files.logo.url}"})
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg")
        await anyio.sleep(120)
        codes = {trouble.code for trouble in rig.engine.context.incidents.snapshot()}

        assert ({"REFERENCE_UNUSABLE"}, [], True) == (codes, rig.charged(), rig.engine.intake.idle)

        logo.write_bytes(picture("logo"))
        await rig.settled(1)

        assert [1] == rig.charged()


async def test_a_model_that_takes_an_archive_gets_one(tmp_path: Path) -> None:
    """`zip_url` and the names inside it, made by runflowd (section 6.2, background-replace)."""
    (tmp_path / "look.jpg").write_bytes(picture("look"))
    template = {"image_url": "${file.url}", "zip_url": "${zip.url}", "file_image": "${zip.file}"}
    chosen = rule(
        tmp_path,
        files={"look": str(tmp_path / "look.jpg")},
        input={**template, "file_reference": "${zip.files.look}"},
    )
    async with running(tmp_path, chosen) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (given,) = await sent(rig)
        archive = zipfile.ZipFile(io.BytesIO(await fetched(rig, given["zip_url"])))

        assert ("image.jpg", "look.jpg") == (given["file_image"], given["file_reference"])
        assert [picture("a.jpg"), picture("look")] == [archive.read("image.jpg"), archive.read("look.jpg")]


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("fatal", [1, 2, 5])
async def test_an_archive_for_which_there_is_no_room_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: int, *, lasting: bool
) -> None:
    """The n-th write to it fails, once or for a minute and a half: told, and bought once in the end (scenario 55)."""
    calls = Calls(fatal, errno.ENOSPC, lasting=lasting)
    calls.arm()

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if calls.refuses("write"):
                raise OSError(calls.code, os.strerror(calls.code))
            return super().write(data)

    def temporary() -> io.FileIO:
        descriptor, path = tempfile.mkstemp(dir=tmp_path)
        os.unlink(path)  # noqa: PTH108  mkstemp knows text
        return Full(descriptor, "w+b")

    monkeypatch.setattr("runflowd.pipeline.dispatch.zip_payload.tempfile.TemporaryFile", temporary)
    template = {"image_url": "${file.url}", "zip_url": "${zip.url}", "file_image": "${zip.file}"}
    with capture_logs() as told:
        async with running(tmp_path, rule(tmp_path, input=template)) as rig:
            rig.drop("a.jpg")
            rig.drop("b.jpg")
            await anyio.sleep(90)
            calls.heal()
            await rig.settled(2)

            assert ({"a.jpg", "b.jpg"}, [1, 1]) == (rig.outputs(), rig.charged())
    loud = [(line["action"], line["code"]) for line in told if line["log_level"] in {"warning", "error"}]
    assert [("incident.open", "ZIP_FAILED")] == loud


async def test_a_folder_may_set_what_its_rule_allows(tmp_path: Path) -> None:
    """The nearest `_runflow.yaml` wins; folders without one keep the rule's words."""
    template = {"image_url": "${file.url}", "prompt": "white studio", "mood": "calm"}
    async with running(tmp_path, rule(tmp_path, input=template, overridable=("prompt", "mood"))) as rig:
        for folder, text in (("x", "prompt: marble\nmood: bright\n"), ("x/y", "prompt: ${file.dir} on oak\n")):
            (tmp_path / "in" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "in" / folder / "_runflow.yaml").write_text(text)
        for name in ("a.jpg", "x/b.jpg", "x/y/c.jpg"):
            rig.drop(name)
        await rig.settled(3)
        words = {item.path: (item.input["prompt"], item.input["mood"]) for item in await rig.items()}

        expected = {
            "a.jpg": ("white studio", "calm"),
            "x/b.jpg": ("marble", "bright"),
            "x/y/c.jpg": ("x/y on oak", "bright"),
        }
        assert expected == words


async def test_a_mistake_in_a_folder_s_settings_is_reported_there(tmp_path: Path) -> None:
    """Its files wait with a note; nothing is bought; correcting it is enough."""
    template = {"image_url": "${file.url}", "prompt": "white studio"}
    async with running(tmp_path, rule(tmp_path, input=template, overridable=("prompt",))) as rig:
        setting = tmp_path / "in/_runflow.yaml"
        setting.write_text("promt: marble\n")
        rig.drop("a.jpg")
        await rig.until(lambda states: states == {"a.jpg": ItemState.WAITING})
        await anyio.sleep(5)
        note = (tmp_path / "out/a.jpg.failed.txt").read_text()

        assert ("did you mean prompt?" in note, []) == (True, rig.charged())

        setting.write_text("prompt: marble\n")
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE})

        assert {"a.jpg"} == rig.outputs()


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
async def test_settings_that_are_no_plain_file_hold_their_folder_back(tmp_path: Path, kind: str) -> None:
    """As a share with one text for many folders has it: it is not followed, and nothing is bought without it."""
    template = {"image_url": "${file.url}", "prompt": "white studio"}
    (tmp_path / "shared.yaml").write_text("prompt: marble\n")
    async with running(tmp_path, rule(tmp_path, input=template, overridable=("prompt",))) as rig:
        (setting := tmp_path / "in/x/_runflow.yaml").parent.mkdir()
        {"link": lambda: setting.symlink_to(tmp_path / "shared.yaml"), "folder": setting.mkdir}.get(
            kind, lambda: os.mkfifo(setting)
        )()
        rig.drop("x/a.jpg")
        await rig.until(lambda states: states == {"x/a.jpg": ItemState.WAITING})
        await anyio.sleep(100)
        (held,) = await rig.items()

        assert ("BAD_OVERRIDE", True, []) == (held.failure_code, "plain file" in held.failure, rig.charged())


@pytest.mark.parametrize("name", ["_runflow.yml", "_runflow.yaml.txt", "_runflow.yml.txt", "_Runflow.yaml"])
async def test_settings_under_a_name_that_is_nearly_right_hold_their_folder_back(tmp_path: Path, name: str) -> None:
    """As editors and people name it: nothing beneath is bought with the rule's own prompt (scenario 142)."""
    template = {"image_url": "${file.url}", "prompt": "white studio"}
    async with running(tmp_path, rule(tmp_path, input=template, overridable=("prompt",))) as rig:
        rig.drop("free.jpg")
        rig.drop("x/y/a.jpg")
        (wrong := tmp_path / "in/x" / name).write_text("prompt: marble\n")
        await rig.until(lambda states: states == {"free.jpg": ItemState.DONE, "x/y/a.jpg": ItemState.WAITING})
        await anyio.sleep(100)
        (held,) = [item for item in await rig.items() if item.path != "free.jpg"]
        assert ("BAD_OVERRIDE", True) == (held.failure_code, "rename it to _runflow.yaml" in held.failure)
        wrong.rename(wrong.with_name("_runflow.yaml"))
        await rig.until(lambda states: set(states.values()) == {ItemState.DONE})

        words = {item.path: item.input["prompt"] for item in await rig.items()}
        assert {"free.jpg": "white studio", "x/y/a.jpg": "marble"} == words
