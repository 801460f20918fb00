"""Finding the product: U2NetP looks at the whole photo, then again at the crop around what it found.

Conventions of the network (xuebinqin/U-2-Net `data_loader.py`, rembg's export): 320 x 320 without keeping
the ratio, divided by the image's own maximum, ImageNet mean and deviation; the fused map is output `1959`.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from runflowd.local.models.contract import ModelFailure
from runflowd.local.weights import WeightsError, locate

if TYPE_CHECKING:
    from pathlib import Path

Plane: TypeAlias = NDArray[np.float32]
"""Height x width, values 0 to 1."""

SIDE = 320
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

CERTAINTY = 0.9
"""A raw maximum below this means no subject: flat colours, gradients, gravel, grass, wood gave at most 0.14."""

DECIDED = 0.35
"""Of all pixels above 0.1, the share above 0.9 that a subject needs. Colour noise reaches any maximum, but
without an outline (0.00 to 0.26); the renders have 0.84 to 0.95. Few counterexamples: a hint, no calibration."""

FILLS = 0.98
"""A mask of this much of the photo separates nothing."""

LOOK_AGAIN_BELOW = 0.8
"""The second look is skipped where the crop is this much of the photo: it would show the same."""

WORK_SIDE = 2048
"""Masks are made at no more than this; the network's own 320 pixels hold no finer detail."""


class Segmenter:
    """One loaded network. Inference is serialised: a single one already uses every core it is given."""

    def __init__(self, weights: Path) -> None:
        options = onnxruntime.SessionOptions()
        # A daemon lives long: without the arena it keeps 0.2 GB less, for a fifth more time.
        options.enable_cpu_mem_arena = False
        # Threads that wait by spinning starve the rest of the machine, and each other when it is busy.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._lock = threading.Lock()

    def mask(self, photo: Image.Image) -> Plane:
        """How much each pixel belongs to the product, at the photo's size but no side above WORK_SIDE.

        Raises ModelFailure NO_SUBJECT_FOUND.
        """
        small = photo.copy()
        small.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.LANCZOS)
        with self._lock:
            raw = self._look(small)
            if reason := doubt(raw):
                raise _no_subject(reason)
            found = self._look_again(small, stretched(raw, small.size))
        return hardened(found)

    def _look(self, image: Image.Image) -> Plane:
        """The network's answer, SIDE x SIDE, not stretched."""
        square = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        pixels = np.asarray(square, np.float32)
        pixels = pixels / max(float(pixels.max()), 1e-6)
        tensor = ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)
        return np.asarray(self._session.run(["1959"], {"input.1": tensor})[0][0, 0], np.float32)

    def _look_again(self, image: Image.Image, found: Plane) -> Plane:
        """The map of the crop around the product, which has more of the network's pixels there."""
        left, top, right, bottom = crop = padded(bounds(found), found.shape)
        if (right - left) * (bottom - top) > LOOK_AGAIN_BELOW * found.size:
            return found
        closer = image.crop(crop)
        whole = np.zeros_like(found)
        whole[top:bottom, left:right] = stretched(self._look(closer), closer.size)
        return whole


def segmenter(configured: Path | None) -> Segmenter:
    """The network, loaded once per place. Raises ModelFailure WEIGHTS_MISSING."""
    with _loading:
        try:
            return _loaded(configured)
        except WeightsError as error:
            raise ModelFailure("WEIGHTS_MISSING", str(error), "inference") from error


_loading = threading.Lock()


@functools.cache
def _loaded(configured: Path | None) -> Segmenter:
    return Segmenter(locate(configured))


def stretched(raw: Plane, size: tuple[int, int]) -> Plane:
    """The network's answer spread over 0 to 1, at that width and height."""
    low, high = float(raw.min()), float(raw.max())
    spread = Image.fromarray((raw - np.float32(low)) / np.float32(high - low + 1e-9))
    full = np.asarray(spread.resize(size, Image.Resampling.BICUBIC), np.float32)
    return np.asarray(full.clip(0.0, 1.0), np.float32)


def doubt(raw: Plane) -> str:
    """Why the network's answer shows no subject; empty where it does. Stretching would hide all three."""
    certainty = float(raw.max())
    if certainty < CERTAINTY:
        return f"certainty {certainty:.2f}, needed {CERTAINTY}"
    if float((raw > 0.5).mean()) > FILLS:
        return "everything looks like product, up to the edges"
    decided = float((raw > 0.9).sum() / (raw > 0.1).sum())
    if decided < DECIDED:
        return f"no clear outline: {decided:.0%} of what might be product is certain, needed {DECIDED:.0%}"
    return ""


def bounds(mask: Plane) -> tuple[int, int, int, int]:
    """Left, top, right, bottom around everything above one half; right and bottom are exclusive."""
    rows = np.flatnonzero((mask > 0.5).any(axis=1))
    columns = np.flatnonzero((mask > 0.5).any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def padded(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The box with 8% of its longer side and 8 pixels around it, inside the image."""
    left, top, right, bottom = box
    pad = int(0.08 * max(right - left, bottom - top)) + 8
    return max(0, left - pad), max(0, top - pad), min(shape[1], right + pad), min(shape[0], bottom + pad)


def hardened(mask: Plane) -> Plane:
    """The middle half of the range stretched to the whole: the 320-pixel map is too soft at the edges."""
    return np.asarray(np.clip((mask - 0.25) * 2.0, 0.0, 1.0), np.float32)


def _no_subject(reason: str) -> ModelFailure:
    return ModelFailure(
        "NO_SUBJECT_FOUND",
        f"No product stands out in this photo ({reason}). "
        "One object on a calm backdrop, wholly in the frame, works best.",
        "inference",
    )
