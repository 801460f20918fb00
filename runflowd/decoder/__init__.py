"""Decoders, asked in a process apart whether a medium in doubt can be opened: Pillow for images, FFmpeg for the rest.

Each is used where it is there; none is needed. What decodes is whole, however odd its bytes; what does not is still in
doubt.
"""

from __future__ import annotations

from runflowd.decoder.asking import Decoder, Ended, Verdict
from runflowd.decoder.installed import Installed, installed

__all__ = ["Decoder", "Ended", "Installed", "Verdict", "installed"]
