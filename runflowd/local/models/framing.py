"""The models that change a photo's frame or size and keep its scene. Each is a process of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageFilter

from runflowd.local.models.contract import Json, ModelFailure, Result
from runflowd.local.models.cutout import Cutout, cut_out
from runflowd.local.models.cutting import MAX_SIDE, enlargement
from runflowd.local.models.decoding import read_photo
from runflowd.local.models.extension import Margins, extend
from runflowd.local.models.formats import canvas_size, proportion
from runflowd.local.models.images import Photo, check_result_size, jpeg, png, reduced
from runflowd.local.models.window import Window, around_product, to_proportion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHARPENING = ImageFilter.UnsharpMask(radius=1.2, percent=60, threshold=2)
"""The setting that came closest to the original on photos reduced and enlarged again."""


def smart_resize(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:
    """The photo in a new ratio around its product, cropped where it can be, extended where it must be."""
    width, height = canvas_size(str(values["aspect_ratio"]), str(values["resolution"]))
    photo = _on_white(read_photo(images))
    cutout, notes = _product(photo, weights)
    size = photo.colours.size
    ratio = width / height
    window = around_product(size, cutout.box, ratio) if cutout else to_proportion(size, ratio)
    framed = _framed(photo.colours, cutout, window)
    scale = width / framed.width
    picture = framed.resize((width, height), Image.Resampling.LANCZOS)
    return Result((jpeg(picture),), (*notes, _ratio_note(window, size), *enlargement(scale)))


def outpaint(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:
    """The photo with that many percent of its own size added on each side."""
    photo = _on_white(read_photo(images))
    width, height = photo.colours.size
    share = {side: float(values.get(f"expand_{side}") or 0) / 100 for side in ("left", "top", "right", "bottom")}
    window = Window(
        -round(share["left"] * width),
        -round(share["top"] * height),
        width + round(share["right"] * width),
        height + round(share["bottom"] * height),
    )
    return _outpainted(photo, window, weights)


def outpaint_ratio(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:
    """The whole photo, with backdrop added on two sides until the ratio is right."""
    photo = _on_white(read_photo(images))
    return _outpainted(photo, to_proportion(photo.colours.size, proportion(str(values["aspect_ratio"]))), weights)


def upscale(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:  # noqa: ARG001 - a Process takes the weights
    """The photo two or four times as wide and high; transparency is kept, and then the format is PNG."""
    factor = int(values.get("upscale_factor") or 2)
    photo = read_photo(images)
    size = (photo.colours.width * factor, photo.colours.height * factor)
    check_result_size(*size)
    picture = photo.colours.resize(size, Image.Resampling.LANCZOS).filter(SHARPENING)
    if photo.alpha is not None:
        picture.putalpha(photo.alpha.resize(size, Image.Resampling.LANCZOS))
    plain = photo.alpha is None and values.get("output_format") != "png"
    return Result(((jpeg if plain else png)(picture),), photo.notes)


def _outpainted(photo: Photo, window: Window, weights: Path | None) -> Result:
    """The window's picture, reduced to LONGEST; memory is saved by reducing the photo first."""
    if not window.margins(photo.colours.size):
        photo = reduced(photo, MAX_SIDE)
        return Result((jpeg(photo.colours),), (*photo.notes, "Nothing was to be added."))
    factor = min(1.0, MAX_SIDE / max(window.width, window.height))
    notes: tuple[str, ...] = ()
    if factor < 1:
        smaller = (max(1, int(photo.colours.width * factor)), max(1, int(photo.colours.height * factor)))
        photo = Photo(photo.colours.resize(smaller, Image.Resampling.LANCZOS), None, photo.notes)
        window = window.scaled(factor)
        notes = (f"Reduced to {factor:.0%}, so that no side is above {MAX_SIDE} pixels.",)
    cutout, found = _product(photo, weights)
    return Result((jpeg(_framed(photo.colours, cutout, window)),), (*found, *notes))


def _product(photo: Photo, weights: Path | None) -> tuple[Cutout | None, tuple[str, ...]]:
    """The product, or None with a note: a frame can be changed without one."""
    try:
        cutout = cut_out(photo, weights)
    except ModelFailure as failure:
        if failure.code != "NO_SUBJECT_FOUND":
            raise
        return None, (*photo.notes, "No product stands out; the photo was treated as backdrop throughout.")
    return cutout, cutout.notes


def _framed(photo: Image.Image, cutout: Cutout | None, window: Window) -> Image.Image:
    """What the window shows, with the backdrop continued where it reaches beyond the photo."""
    margins = window.margins(photo.size)
    inside = window.inside(photo.size)
    if not margins:
        return photo.crop(inside)
    mask = None if cutout is None else cutout.alpha.crop(inside)
    return extend(photo.crop(inside), mask, margins)


def _on_white(photo: Photo) -> Photo:
    """A photo with transparency laid on white: a new frame needs a backdrop to continue."""
    if photo.alpha is None:
        return photo
    white = Image.new("RGB", photo.colours.size, "white")
    note = "The photo's transparency was filled with white."
    return Photo(Image.composite(photo.colours, white, photo.alpha), None, (*photo.notes, note))


def _ratio_note(window: Window, size: tuple[int, int]) -> str:
    added: Margins = window.margins(size)
    if added:
        return "The backdrop was continued beyond the photo's edges to reach the ratio."
    return "The photo was cropped around the product to reach the ratio."
