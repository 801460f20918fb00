"""Stills to video: the file is decoded again, frame by frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from probing import Video, video

from runflowd.local.models.camera import CLOSE, MOVES, USUAL, read_move
from runflowd.local.models.catalog import catalog
from runflowd.local.models.contract import ModelFailure
from runflowd.local.models.video import FRAMES_PER_SECOND, frame_size

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = catalog()["runflow/image-to-video"]


def moved(photo: bytes, **values: Any) -> Video:
    """The decoded video of a photo; small and one second long unless asked otherwise."""
    given = {"duration": 1, "resolution": "480p", **values}
    (made,) = MODEL.process(MODEL.values(given), {"start_image_url": photo}).files
    assert ("video/mp4", made.seconds) == (made.mime_type, given["duration"])
    return video(made.data)


def encoded(picture: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form)
    return buffer.getvalue()


def halves(size: tuple[int, int] = (400, 300)) -> bytes:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", size, (220, 30, 30))
    picture.paste((30, 30, 220), (size[0] // 2, 0, *size))
    return encoded(picture)


def test_it_is_h264_in_mp4_as_long_as_asked_for(render: Callable[[str], bytes]) -> None:
    """Every frame is there and decodes; one stream, the photo's own proportion, an even size."""
    made = moved(render("mug"), duration=2)

    assert ("h264", 1, 2.0, 2 * FRAMES_PER_SECOND) == (made.codec, made.streams, made.seconds, len(made.frames))
    assert "mp4" in made.container
    assert {(534, 480)} == {frame.size for frame in made.frames}


def test_its_index_stands_in_front(render: Callable[[str], bytes]) -> None:
    """So that it plays while it is still coming over a network."""
    (made,) = MODEL.process(MODEL.values({"duration": 1}), {"start_image_url": render("mug")}).files

    assert made.data.index(b"moov") < made.data.index(b"mdat")


def test_the_camera_moves_all_the_time_and_not_in_jumps(render: Callable[[str], bytes]) -> None:
    """No frame is as the first, and none is far from the one before it."""
    made = moved(render("mug"))
    steps = [made.change(n, n + 1) for n in range(len(made.frames) - 1)]

    assert made.change(0, -1) > 4
    assert max(steps) < made.change(0, -1) / 2


def test_a_still_camera_shows_the_photo_as_it_is() -> None:
    """Its colours too: red stays red through the encoding, as on a screen that follows BT.709."""
    made = moved(halves(), prompt="still")
    left, right = (made.frames[10].getpixel((x, 240)) for x in (60, 580))

    assert made.change(0, -1) < 1
    for seen, meant in ((left, (220, 30, 30)), (right, (30, 30, 220))):
        assert max(abs(a - b) for a, b in zip(seen, meant, strict=True)) < 8  # type: ignore[arg-type]  # an RGB frame


@pytest.mark.parametrize(("prompt", "first", "last"), [("pan right", 0, 2), ("pan left", 2, 0)])
def test_a_pan_goes_where_it_is_told(prompt: str, first: int, last: int) -> None:
    """To the right: from the red left half of the photo into the blue right one."""
    made = moved(halves((900, 300)), prompt=prompt, aspect_ratio="1:1")
    begins, ends = (made.frames[n].getpixel((240, 240)) for n in (0, -1))

    assert begins[first] > 150 > begins[last]  # type: ignore[index]  # an RGB frame
    assert ends[last] > 150 > ends[first]  # type: ignore[index]


def test_what_shows_through_is_white() -> None:
    """A video has no transparency."""
    made = moved(encoded(Image.new("RGBA", (200, 200), (255, 0, 0, 0))))

    assert all(channel > 245 for channel in made.frames[0].getpixel((100, 100)))  # type: ignore[union-attr]


@pytest.mark.parametrize(("size", "frame"), [((1, 1), (480, 480)), ((5000, 3), (1920, 480))])
def test_no_photo_is_too_small_or_too_long(size: tuple[int, int], frame: tuple[int, int]) -> None:
    """What it shows of it may be a fraction of a pixel."""
    made = moved(encoded(Image.new("RGB", size, (200, 30, 30))), prompt="pan left")

    assert {frame} == {each.size for each in made.frames}


@pytest.mark.parametrize("data", [b"", b"no photo", b"\xff\xd8\xff\xe0 cut"])
def test_what_is_no_photo_fails_with_a_reason(data: bytes) -> None:
    """And names the input."""
    with pytest.raises(ModelFailure, match="start_image_url") as caught:
        moved(data)

    assert caught.value.code == "UNREADABLE_IMAGE"


@pytest.mark.parametrize(
    ("ratio", "shorter", "size"),
    [(1.0, 720, (720, 720)), (16 / 9, 1080, (1920, 1080)), (9 / 16, 720, (720, 1280)), (21 / 9, 1080, (1920, 822))],
)
def test_frames_have_even_sides_that_play_everywhere(ratio: float, shorter: int, size: tuple[int, int]) -> None:
    """1920 pixels at most."""
    assert size == frame_size(ratio, shorter)


@pytest.mark.parametrize(
    ("prompt", "name", "ignored"),
    [
        ("", USUAL, ()),
        ("Slowly zooming out over the product", "zoom out", ()),
        ("the camera tilts... tilt up, dreamy neon", "pan up", ("tilts", "dreamy", "neon")),
        ("still", "still", ()),
        ("zoom " * 100_000, USUAL, ()),
    ],
)
def test_a_prompt_is_read_by_its_few_known_words(prompt: str, name: str, ignored: tuple[str, ...]) -> None:
    """What is not understood is told, however long the prompt is."""
    move = read_move(prompt)

    assert (name, ignored) == (move.name, move.ignored)


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_the_camera_never_leaves_the_photo(name: str, ratio: float) -> None:
    """And keeps the proportion, so that nothing is squeezed."""
    boxes = list(read_move(name).boxes((900, 600), ratio, 30))

    assert 30 == len(boxes)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 900.001
        assert 0 <= top < bottom <= 600.001
        assert abs((right - left) / (bottom - top) - ratio) < 1e-6
        assert min(900, 600 * ratio) * CLOSE - 0.001 <= right - left
