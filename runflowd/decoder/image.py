"""An image, decoded by Pillow from its first pixel to its last."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from runflowd.decoder.limits import MAX_MEMORY

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS: Mapping[str, str] = {
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/bmp": "bmp",
    "image/heic": "heif",
    "image/avif": "avif",
}
"""The one format that may be tried for each type: what is said to be a TIFF is not tried as anything else."""

_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, ArithmeticError)
"""What Pillow raises for files that it cannot decode."""

MAX_FRAMES = 10_000


def trouble_of(descriptor: int, mime: str) -> str:
    """What Pillow says of an image; "" if it decoded every picture in it.

    Behind a JPEG may stand further ones, which are not part of it.
    """
    form = FORMATS[mime]
    Image.MAX_IMAGE_PIXELS = None  # what bounds is the memory
    warnings.simplefilter("ignore")
    try:
        # Opened anew: a descriptor that was handed down shares its position with the daemon's.
        with Path(f"/proc/self/fd/{descriptor}").open("rb") as file, Image.open(file, formats=(form,)) as image:
            for frame in range(1 if form == "jpeg" else min(getattr(image, "n_frames", 1), MAX_FRAMES)):
                image.seek(frame)
                image.load()
    except UnidentifiedImageError:
        return f"Pillow finds no {form.upper()} in it"
    except MemoryError:
        return f"decoding it needs more than {MAX_MEMORY // 1024**2} MiB of memory"
    except _DAMAGE as error:
        return f"Pillow says: {error}"
    return ""
