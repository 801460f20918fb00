"""The models that lift the product off, on renders whose true masks are known."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from runflowd.local.models.catalog import catalog
from runflowd.local.models.contract import ModelFailure, Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

Run = Callable[..., Result]
Decode = Callable[[Result], Image.Image]

MASKS = Path(__file__).parents[1] / "masks"
ORDINARY = ("face-cream", "hand-wash", "headphones", "lamp", "mug", "oats-box", "olive-oil")


def overlap(picture: Image.Image, name: str) -> float:
    """Intersection over union of the picture's alpha and the true mask, both cut at one half."""
    found = np.asarray(picture.getchannel("A")) > 127
    true = np.asarray(Image.open(MASKS / f"{name}.mask.png").convert("L")) > 127
    return float((found & true).sum() / (found | true).sum())


def pixels(picture: Image.Image) -> NDArray[np.int16]:
    return np.asarray(picture.convert("RGB"), np.int16)


def failure(model: str, data: bytes, weights: Path | None = None, **values: object) -> ModelFailure:
    with pytest.raises(ModelFailure) as caught:
        catalog(weights)[f"runflow/{model}"].process(values, {"image_url": data})
    return caught.value


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_product_is_cut_out_along_its_true_outline(name: str, run: Run, picture: Decode) -> None:
    """At least 93% overlap on each of the seven renders that the network can do."""
    assert overlap(picture(run("background-removal", name)), name) >= 0.93


def test_the_stool_keeps_its_seat(run: Run, picture: Decode) -> None:
    """Thin legs on bricks are beyond the network; what it does find is at least half the stool."""
    assert overlap(picture(run("background-removal", "stool")), "stool") >= 0.5


def test_background_removal_gives_a_transparent_png_of_the_photos_size(run: Run, picture: Decode) -> None:
    """Format, size and mode as the description says."""
    result = run("background-removal", "mug")
    decoded = picture(result)

    assert (result.files[0].mime_type, result.files[0].name) == ("image/png", "result_0.png")
    assert (decoded.format, decoded.mode, decoded.size) == ("PNG", "RGBA", (1000, 900))
    assert (result.files[0].width, result.files[0].height) == (1000, 900)


def test_hidden_pixels_do_not_carry_the_old_backdrop(run: Run, picture: Decode) -> None:
    """A viewer that ignores transparency sees white, not the photo."""
    rgba = np.asarray(picture(run("background-removal", "mug")))

    assert np.array_equal(np.full_like(rgba[rgba[..., 3] == 0][:, :3], 255), rgba[rgba[..., 3] == 0][:, :3])


def test_background_colour_is_exactly_the_colour_asked_for(run: Run, picture: Decode) -> None:
    """Far from the product every pixel is that colour, which PNG keeps."""
    decoded = picture(run("background-color", "mug", color_red=10, color_green=200, color_blue=30))

    assert decoded.getpixel((3, 3)) == (10, 200, 30)
    assert (decoded.format, decoded.mode, decoded.size) == ("PNG", "RGB", (1000, 900))


def test_a_white_studio_is_white_around_the_product(studio: Run, picture: Decode) -> None:
    """Every corner of the drawn studio is near white and free of colour."""
    frame = pixels(picture(studio("background-replace", prompt="white studio, soft shadow")))
    corners = np.stack([frame[5, 5], frame[5, -5], frame[-5, 5], frame[-5, -5]])

    assert corners.min() >= 225
    assert np.ptp(corners, axis=1).max() <= 4


def test_the_shadow_darkens_the_ground_under_the_product(studio: Run, picture: Decode) -> None:
    """The only difference between the two prompts is a shadow, which only takes light away."""
    lit = pixels(picture(studio("background-replace", prompt="white studio, no shadow"))).mean(axis=2)
    shaded = pixels(picture(studio("background-replace", prompt="white studio, soft shadow"))).mean(axis=2)

    assert (lit - shaded).max() >= 60
    assert (lit - shaded).min() >= -12  # grain and JPEG


def test_a_strong_shadow_reaches_to_the_right(studio: Run, picture: Decode) -> None:
    """A lamp at the upper left: the right half of the ground gets darker than the left."""
    soft = pixels(picture(studio("background-replace", prompt="white studio, soft shadow"))).mean(axis=2)
    strong = pixels(picture(studio("background-replace", prompt="white studio, strong shadow"))).mean(axis=2)
    taken = (soft - strong).clip(0)

    assert taken[:, 250:].sum() > 2 * taken[:, :250].sum()


def test_a_named_colour_gradient_runs_from_top_to_bottom(studio: Run, picture: Decode) -> None:
    """Dark grey above, black below, in the columns beside the product."""
    frame = pixels(picture(studio("background-replace", prompt="dark grey to black gradient")))[:, :30]

    assert 60 <= frame[:40].mean() <= 105
    assert 10 <= frame[-40:].mean() <= 45


def test_what_was_not_understood_is_said(studio: Run) -> None:
    """The notes name the ignored words, so that nobody believes the model knows them."""
    notes = studio("background-replace", prompt="white studio with christmas lights").notes

    assert "Not understood and ignored: 'christmas', 'lights'." in notes


def test_an_isolated_product_is_centred_on_the_canvas_asked_for(studio: Run, picture: Decode) -> None:
    """4:5 at 1K is 928 x 1152; the margins left and right are equal."""
    decoded = picture(studio("product-isolation", aspect_ratio="4:5", resolution="1K"))
    left, _, right, _ = decoded.getchannel("A").point([0] * 128 + [255] * 128).getbbox() or (0, 0, 0, 0)

    assert (decoded.format, decoded.size) == ("PNG", (928, 1152))
    assert abs(left - (928 - right)) <= 2


def test_an_isolated_product_with_a_prompt_stands_in_a_studio(studio: Run, picture: Decode) -> None:
    """The prompt replaces transparency: an opaque JPEG in the backdrop's colour."""
    values = {"aspect_ratio": "1:1", "resolution": "1K", "prompt": "flat navy"}
    decoded = picture(studio("product-isolation", **values))

    assert (decoded.format, decoded.mode, decoded.size) == ("JPEG", "RGB", (1024, 1024))
    assert np.abs(pixels(decoded)[5, 5] - np.array((34, 48, 88))).max() <= 4


def test_an_empty_prompt_is_refused(render: Callable[[str], bytes]) -> None:
    """Said before any work is done: no weights are needed to know it."""
    refused = failure("background-replace", render("mug"), Path("/nonexistent"), prompt="  ")

    assert (refused.code, refused.stage) == ("INPUT_VALIDATION_FAILED", "preprocess")


def noise(seed: int, width: int, height: int) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        pytest.param(lambda: Image.new("RGB", (400, 300), "#8090a0"), "certainty 0.0", id="flat"),
        pytest.param(lambda: noise(0, 1000, 900), "certainty 0.0", id="fine noise"),
        pytest.param(lambda: noise(0, 400, 300), "no clear outline", id="coarse noise"),
        pytest.param(lambda: noise(1, 320, 320), "everything looks like product", id="noise all over"),
    ],
)
def test_a_photo_without_a_product_fails(photo: Callable[[], Image.Image], reason: str, weights: Path) -> None:
    """The network always answers, and even surely: each of the three doubts is needed."""
    refused = failure("background-removal", encoded(photo()), weights)

    assert (refused.code, refused.stage) == ("NO_SUBJECT_FOUND", "inference")
    assert reason in refused.message


def test_missing_weights_name_the_command_that_gets_them(render: Callable[[str], bytes], tmp_path: Path) -> None:
    """The failure carries its remedy."""
    refused = failure("background-removal", render("mug"), tmp_path / "nowhere.onnx")

    assert refused.code == "WEIGHTS_MISSING"
    assert "-m runflowd.local.weights" in refused.message


def test_a_photo_with_its_own_transparency_needs_no_network(picture: Decode, tmp_path: Path) -> None:
    """A cut-out made by a person is believed: its alpha comes out unchanged, without weights."""
    drawn = Image.new("RGBA", (200, 160), (0, 0, 0, 0))
    drawn.paste((200, 40, 40, 255), (60, 40, 140, 120))
    model = catalog(tmp_path / "nowhere.onnx")["runflow/background-removal"]
    result = model.process({}, {"image_url": encoded(drawn)})

    assert drawn.getchannel("A").tobytes() == picture(result).getchannel("A").tobytes()
    assert any("transparency of its own" in note for note in result.notes)


def test_a_product_cut_off_by_the_photo_stays_at_that_edge(picture: Decode, tmp_path: Path) -> None:
    """Moved inwards, the straight cut would show; nothing of the backdrop may lie below it."""
    drawn = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    drawn.paste((200, 40, 40, 255), (70, 100, 130, 200))
    model = catalog(tmp_path / "nowhere.onnx")["runflow/background-replace"]
    frame = pixels(picture(model.process({"prompt": "white"}, {"image_url": encoded(drawn)})))

    assert np.abs(frame[-1, 100] - np.array((200, 40, 40))).max() <= 12
