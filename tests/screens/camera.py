"""Pictures of screens in a real browser: on a desk and on a phone, in light and in dark."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

from browser import NARROW, WIDE, Browser, browser
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.screens.scene import Scene

SCREENS = {
    "now": "/",
    "files": "/files",
    "list": "/files?view=list",
    "file": "/files/{judged}?state=To+review",
    "redo": "/files/{judged}/redo",
    "spend": "/spend",
}
"""What is shown, by the name of its pictures."""

TALLEST = 1400
"""Pixels of a picture at most; what is below is not shown."""

READY = """
document.readyState === 'complete' && document.getElementById('beat').innerText === 'live'
  && [...document.images].filter((e) => e.getBoundingClientRect().top < 1400).every((e) => e.complete && e.naturalWidth)
"""


def take(scene: Scene, into: Path) -> dict[str, int]:
    """Write `SCREEN-WIDTH-SCHEME.webp` for each; gives their sizes in bytes."""
    into.mkdir(parents=True, exist_ok=True)
    sizes = {}
    with browser() as driver:
        seen = Browser(driver, scene.address)
        for name, path in SCREENS.items():
            for size in (WIDE, NARROW):
                for scheme in ("light", "dark"):
                    seen.open(path.format(judged=scene.judged), size=size, scheme=scheme)
                    seen.until(READY.strip())
                    place = into / f"{name}-{size[0]}-{scheme}.webp"
                    place.write_bytes(_smallest(_shot(seen, size[0])))
                    sizes[place.name] = place.stat().st_size
    return sizes


def _smallest(picture: Image.Image) -> bytes:
    """Text and lines take less without loss, photos with it."""
    found = []
    for settings in ({"lossless": True, "quality": 100}, {"quality": 80}):
        stream = BytesIO()
        picture.save(stream, "WEBP", method=6, **settings)
        found.append(stream.getvalue())
    return min(found, key=len)


def _shot(seen: Browser, width: int) -> Image.Image:
    height = min(TALLEST, seen.script("return document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    taken = seen.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return Image.open(BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
