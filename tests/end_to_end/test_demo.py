"""The demonstration: its folder, its contact sheet, and one run of all of it for real."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

from runflowd.commands import readiness
from runflowd.config import load
from runflowd.demo.page import draw_page
from runflowd.demo.pictures import DARK, LIGHT, fitted
from runflowd.demo.sheet import CELL, COLUMNS, PICTURE, PITCH, draw_sheet, shortened
from runflowd.demo.shots import Shot, asked
from runflowd.demo.stills import still
from runflowd.demo.workspace import EXTRA_PLAN, PLAN, FolderInUse, NoPhotos, prepare, sample
from runflowd.local.models.speech import spoken
from runflowd.local.models.video import encoded
from runflowd.local.weights import WeightsError, locate
from runflowd.store.state_file import holder
from runflowd.system.installing import install_command

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import Desk


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A folder with one photo of somebody's own."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mug.jpg").write_bytes((sample() / "photos" / "mug.jpg").read_bytes())
    return folder


def shot(folder: Path, colour: object = "red", size: tuple[int, int] = (80, 60)) -> Shot:
    """A photo and its transparent result."""
    before, after = folder / "before.jpg", folder / "after.png"
    Image.new("RGB", size, "blue").save(before)
    Image.new("RGBA", size, colour).save(after)  # type: ignore[arg-type]  # Pillow takes a name or a tuple
    return Shot(before, after, "one", "a/mug.jpg", "runflow/background-removal", "")


def test_every_sample_photo_is_shown() -> None:
    """The plan drops all eight photos, and each rule of the sample configuration gets some."""
    config = load(sample() / "runflowd.yaml")

    assert {path.stem for path in (sample() / "photos").glob("*.jpg")} == {name for _, _, name in PLAN}
    assert {rule.name for rule in config.rules} == {rule for rule, _, _ in (*PLAN, *EXTRA_PLAN)}
    assert all((sample() / file).is_file() for _, _, file in EXTRA_PLAN)


def test_what_this_machine_cannot_do_is_left_out_whole(tmp_path: Path) -> None:
    """Neither its rule nor its files are there, and the rest is a configuration as before."""
    whole, less = prepare(tmp_path / "whole", None), prepare(tmp_path / "less", None, {"clips": ["av is missing"]})
    rules = [{rule.name for rule in load(each.config).rules} for each in (whole, less)]

    assert {"clips"} == rules[0] - rules[1]
    assert {"clips"} == {drop.rule for drop in whole.drops} - {drop.rule for drop in less.drops}


def test_a_missing_library_for_video_is_said_with_the_command_that_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the extra that has it; what needs other libraries lacks nothing."""
    monkeypatch.setattr(readiness, "find_spec", lambda name: None if name == "av" else ModuleSpec(name, None))

    assert [] == readiness.missing(["runflow/text-to-speech", "runflow/pass-through", "nobody/knows"])
    assert [f"The local models need av. Install them with `{install_command('local,video')}`."] == readiness.missing(
        ["runflow/image-to-video"]
    )


def test_the_folder_names_the_backdrop() -> None:
    """The caption shows the prompt as the model gets it."""
    rule = load(sample() / "runflowd.yaml").rule("backdrops")
    assert rule is not None

    assert "\u201csage gradient, strong shadow\u201d" == asked(rule, "sage/mug.jpg")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """A folder that is not empty and no earlier demonstration is refused and kept."""
    (tmp_path / "precious").touch()

    with pytest.raises(FolderInUse):
        prepare(tmp_path, None)

    assert [tmp_path / "precious"] == list(tmp_path.iterdir())


def test_an_earlier_demonstration_makes_way(tmp_path: Path) -> None:
    """The folder starts empty again, so that the work is really done."""
    prepare(tmp_path / "demo", None)
    old = tmp_path / "demo" / "out"
    old.mkdir()

    prepare(tmp_path / "demo", None)

    assert not old.exists()


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    """There is nothing to show."""
    (tmp_path / "own").mkdir()

    with pytest.raises(NoPhotos):
        prepare(tmp_path / "demo", tmp_path / "own")


def test_missing_weights_are_reported_before_anything_is_made(desk: Desk) -> None:
    """The command that gets them is named, and no folder is left behind."""
    said = desk.call("demo", "--folder", "demo", env={"RUNFLOWD_WEIGHTS": "nowhere.onnx"})

    assert (1, True, False) == (
        said.code,
        "-m runflowd.local.weights" in said.err,
        (desk.folder / "demo").exists(),
    )


def test_transparency_shows_a_checkerboard(tmp_path: Path) -> None:
    """Where a result is transparent, both greys of the board are seen and nothing else."""
    picture = fitted(shot(tmp_path, (0, 0, 0, 0)).after, 80, 60)

    assert {LIGHT, DARK} == {colour for _, colour in picture.getcolors() or []}


def test_cells_are_equal_whatever_the_pictures(tmp_path: Path) -> None:
    """A tall and a wide picture take the same room."""
    tall = draw_sheet([shot(tmp_path, size=(60, 300))] * 5, "title", "subtitle")
    wide = draw_sheet([shot(tmp_path, size=(300, 60))] * 5, "title", "subtitle")

    assert tall.size == wide.size
    assert COLUMNS * PITCH <= tall.width


def test_the_result_stands_beside_its_photo(tmp_path: Path) -> None:
    """Left the photo, right the result."""
    sheet = draw_sheet([shot(tmp_path, "red", (PICTURE, PICTURE))], "title", "subtitle")
    left, right = sheet.width, 0
    for x in range(0, sheet.width, 2):
        red, _, blue = sheet.getpixel((x, 200))  # type: ignore[misc]  # an RGB picture has three
        left = min(left, x) if blue > 200 > red else left
        right = max(right, x) if red > 200 > blue else right

    assert abs((right - left) - CELL) <= 4


def test_a_long_caption_is_cut() -> None:
    """No caption runs into its neighbour."""
    draw = ImageDraw.Draw(Image.new("RGB", (10, 10)))
    text = shortened(draw, "a very long name " * 20, 18)

    assert text.endswith("\u2026")
    assert len(text) < 80


def test_the_page_needs_nothing_else_and_trusts_no_name(tmp_path: Path) -> None:
    """Pictures are inside the page, and a hostile file name is only text."""
    hostile = replace(shot(tmp_path), file="<script>alert(1)</script>.jpg")

    page = draw_page([hostile], "title", "subtitle")

    assert [] == re.findall(r"<script|https?://", page)
    assert 2 == page.count('src="data:image/jpeg;base64,')


def of_kinds(folder: Path) -> list[Shot]:
    """A video and a sound, each beside what it was made from."""
    photo, text, clip, speech = (folder / name for name in ("mug.jpg", "said.txt", "mug.mp4", "said.wav"))
    Image.new("RGB", (40, 30), "blue").save(photo)
    text.write_text("Good <b>morning</b>.", "utf-8")
    frames = (Image.new("RGB", (64, 48), (200, 20, 20)) for _ in range(10))
    clip.write_bytes(encoded(frames, (64, 48)))
    speech.write_bytes(spoken("Good morning.", 1.0, "wav").data)
    return [
        Shot(photo, clip, "clips", "mug.jpg", "runflow/image-to-video", ""),
        Shot(text, speech, "voice", "said.txt", "runflow/text-to-speech", ""),
    ]


def test_videos_play_and_sounds_are_heard_in_the_page(tmp_path: Path) -> None:
    """Their bytes are in it, under their types, and a text is shown as words."""
    clips = of_kinds(tmp_path)

    page = draw_page(clips, "title", "subtitle")

    for tag, mime, path in (("video", "video/mp4", clips[0].after), ("audio", "audio/wav", clips[1].after)):
        found = re.search(rf'<{tag} src="data:{mime};base64,([^"]+)"[^>]* controls', page)
        assert found is not None
        assert path.read_bytes() == base64.b64decode(found[1])
    assert "media-src data:" in page
    assert "<blockquote>Good &lt;b&gt;morning&lt;/b&gt;.</blockquote>" in page


def test_videos_and_sounds_have_a_picture_in_the_sheet(tmp_path: Path) -> None:
    """A moment of the one, the shape of the other."""
    moment, shape = (still(shot.after, PICTURE, PICTURE) for shot in of_kinds(tmp_path))
    red, green, _ = moment.getpixel((2, 2))  # type: ignore[misc]  # an RGB picture has three

    assert red > 150 > green
    assert len(shape.getcolors(9_999) or []) > 1


@pytest.mark.timeout(300)
def test_the_demonstration_does_the_main_job(desk: Desk, photo: Path) -> None:
    """A photo is dropped for three rules, a real daemon processes it, and the sheet shows the results."""
    try:
        weights = str(locate())
    except WeightsError as error:
        pytest.skip(str(error))

    process = desk.start("demo", "--folder", "demo", "--photos", str(photo), env={"RUNFLOWD_WEIGHTS": weights})
    out, _ = process.communicate(timeout=280)

    folder = desk.folder / "demo"
    made = {str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*") if path.is_file()}
    assert (0, True) == (process.returncode, "3 of 3 done" in out), desk.log()
    assert made == {"white-studio/mug.jpg", "backdrops/sage/mug.jpg", "cutouts/mug.png"}
    assert holder(folder / "state" / "runflowd.db") is None
    assert f"{folder}/contact-sheet.html" in out
    with Image.open(folder / "contact-sheet.png") as sheet:
        assert ("PNG", True) == (sheet.format, sheet.width > 3 * CELL)
