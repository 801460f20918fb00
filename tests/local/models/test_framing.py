"""The models that change the frame or the size of a photo."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runflowd.local.models.catalog import RATIOS, RESOLUTIONS, catalog
from runflowd.local.models.contract import ModelFailure, Result
from runflowd.local.models.formats import ONE_K, canvas_size, proportion
from runflowd.local.models.window import around_product, to_proportion

Run = Callable[..., Result]
Decode = Callable[[Result], Image.Image]


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_smart_resize_gives_the_size_asked_for(run: Run, picture: Decode) -> None:
    """16:9 at 1K is 1376 x 768, an opaque JPEG."""
    decoded = picture(run("smart-resize", "olive-oil", aspect_ratio="16:9", resolution="1K"))

    assert (decoded.format, decoded.mode, decoded.size) == ("JPEG", "RGB", (1376, 768))


def test_smart_resize_says_whether_it_cropped_or_extended(run: Run) -> None:
    """A tall bottle does not fit into a wide crop, so the backdrop must grow; the note says it."""
    notes = run("smart-resize", "olive-oil", aspect_ratio="16:9", resolution="1K").notes

    assert any("continued beyond" in note for note in notes)


def test_outpaint_adds_percent_of_the_photos_own_size(run: Run, picture: Decode) -> None:
    """50% on the left and 20% below of 1000 x 900 make 1500 x 1080."""
    values = {"expand_left": 50, "expand_right": 0, "expand_top": 0, "expand_bottom": 20}
    decoded = picture(run("outpaint", "mug", **values))

    assert (decoded.format, decoded.size) == ("JPEG", (1500, 1080))


def test_outpaint_leaves_the_photo_itself_untouched(run: Run, picture: Decode, render: Callable[[str], bytes]) -> None:
    """Away from the seam, the photo's pixels come out as they went in, but for JPEG."""
    values = {"expand_left": 50, "expand_right": 0, "expand_top": 0, "expand_bottom": 20}
    grown = picture(run("outpaint", "mug", **values)).convert("RGB").crop((540, 0, 1500, 860))
    photo = Image.open(io.BytesIO(render("mug"))).convert("RGB").crop((40, 0, 1000, 860))
    difference = np.abs(np.asarray(grown, np.int16) - np.asarray(photo, np.int16))

    assert difference.mean() <= 3


def test_the_extension_carries_on_the_backdrops_colour(run: Run, picture: Decode) -> None:
    """Left of the mug the cloth is blue, and so is what was added there."""
    values = {"expand_left": 50, "expand_right": 0, "expand_top": 0, "expand_bottom": 20}
    frame = np.asarray(picture(run("outpaint", "mug", **values)).convert("RGB"), np.float32)
    added, beside = frame[200:700, 50:400].mean((0, 1)), frame[200:700, 520:620].mean((0, 1))

    assert np.abs(added - beside).max() <= 20


def test_outpaint_without_anything_to_add_says_so(run: Run, picture: Decode) -> None:
    """All zero is legal: the photo comes back, and the note tells why."""
    values = {"expand_left": 0, "expand_right": 0, "expand_top": 0, "expand_bottom": 0}
    result = run("outpaint", "mug", **values)

    assert picture(result).size == (1000, 900)
    assert "Nothing was to be added." in result.notes


def test_outpaint_to_a_ratio_keeps_the_whole_photo(run: Run, picture: Decode) -> None:
    """1:1 of 1000 x 900 is 1000 x 1000."""
    assert picture(run("outpaint/aspect-ratio", "mug", aspect_ratio="1:1")).size == (1000, 1000)


def test_a_photo_without_a_product_can_still_be_extended(weights: object, picture: Decode) -> None:
    """A frame needs no product; the note says that none was found."""
    values = {"expand_left": 10, "expand_right": 10, "expand_top": 0, "expand_bottom": 0}
    model = catalog()["runflow/outpaint"]
    result = model.process(values, {"image_url": encoded(Image.new("RGB", (300, 200), "#8090a0"))})

    assert picture(result).size == (360, 200)
    assert any("No product stands out" in note for note in result.notes)
    assert pytest.approx(picture(result).getpixel((5, 100)), abs=4) == (128, 144, 160)


@pytest.mark.parametrize("factor", [2, 4])
def test_upscale_multiplies_both_sides(factor: int, picture: Decode) -> None:
    """Two or four times as wide and high, as JPEG unless asked otherwise."""
    photo = encoded(Image.radial_gradient("L").convert("RGB").resize((180, 200)))
    decoded = picture(catalog()["runflow/upscale"].process({"upscale_factor": factor}, {"image_url": photo}))

    assert ("JPEG", (180 * factor, 200 * factor)) == (decoded.format, decoded.size)


def test_upscale_keeps_transparency_as_png(picture: Decode) -> None:
    """JPEG could not hold it."""
    model = catalog()["runflow/upscale"]
    drawn = Image.new("RGBA", (40, 30), (200, 10, 10, 128))
    decoded = picture(model.process({"upscale_factor": 2}, {"image_url": encoded(drawn)}))

    assert (decoded.format, decoded.mode, decoded.size) == ("PNG", "RGBA", (80, 60))


def test_upscale_refuses_a_result_above_the_limit() -> None:
    """4 x 4 times 4 megapixels would be 64; refused before it is made."""
    model = catalog()["runflow/upscale"]
    with pytest.raises(ModelFailure, match="8000 x 8000") as caught:
        model.process({"upscale_factor": 4}, {"image_url": encoded(Image.new("L", (2000, 2000)))})

    assert caught.value.code == "IMAGE_TOO_LARGE"


def test_every_ratio_in_the_catalog_has_a_size() -> None:
    """The catalog's choices and the table of sizes name the same ratios."""
    assert set(RATIOS) == set(ONE_K)


@pytest.mark.parametrize("ratio", RATIOS)
def test_canvas_sizes_come_close_to_their_ratio(ratio: str) -> None:
    """Multiples of 16 pixels, so within 2% of the exact ratio at every resolution."""
    for resolution in RESOLUTIONS:
        width, height = canvas_size(ratio, resolution)

        assert proportion(ratio) == pytest.approx(width / height, rel=0.02)


sides = st.integers(min_value=1, max_value=4000)
ratios = st.sampled_from([proportion(ratio) for ratio in RATIOS])


@given(width=sides, height=sides, ratio=ratios)
def test_an_outpaint_window_always_shows_the_whole_photo(width: int, height: int, ratio: float) -> None:
    """Whatever the sizes, all four margins are outside the photo and the ratio is met to a pixel."""
    window = to_proportion((width, height), ratio)

    assert (0, 0, width, height) == window.inside((width, height))
    assert abs(window.width - window.height * ratio) <= max(1, ratio)


@st.composite
def photos_with_products(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    width, height = draw(st.integers(8, 3000)), draw(st.integers(8, 3000))
    left, top = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    return (width, height), (left, top, right, bottom)


@given(case=photos_with_products(), ratio=ratios)
def test_a_smart_resize_window_never_cuts_the_product(
    case: tuple[tuple[int, int], tuple[int, int, int, int]], ratio: float
) -> None:
    """The product's box lies inside the window, to one pixel of rounding."""
    size, (left, top, right, bottom) = case
    window = around_product(size, (left, top, right, bottom), ratio)

    assert window.left <= left + 1
    assert window.top <= top + 1
    assert window.right >= right - 1
    assert window.bottom >= bottom - 1
