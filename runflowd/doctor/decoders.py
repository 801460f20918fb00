"""Which decoders are there for media in doubt. None is needed, so what is missing is no problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.media.kinds import MediaKind
from runflowd.decoder import Installed, installed
from runflowd.doctor.findings import Finding, Level, good
from runflowd.system.installing import install_command

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from runflowd.core.model import Rule

DECODERS = "decoders"

_LATE = "those whose bytes are odd wait, and fail"


def probe_decoders(rules: Iterable[Rule]) -> list[Finding]:
    """What is there for the kinds that these rules take, and for images, which every rule may bring."""
    return check_decoders({kind for rule in rules for kind in rule.accept}, installed())


def check_decoders(kinds: Collection[MediaKind], has: Installed) -> list[Finding]:
    """A finding for images; one for video and sound where they are taken."""
    found = [_images(has)]
    if has.pillow and not has.heif:
        message = "pillow-heif is not installed: HEIC photos are judged by their boxes alone"
        found.append(Finding(DECODERS, Level.NOTE, "HEIC", message))
    if {MediaKind.VIDEO, MediaKind.AUDIO} & set(kinds):
        found.append(_recordings(has))
    return found


def _images(has: Installed) -> Finding:
    if has.pillow:
        return good(DECODERS, "images", f"Pillow {has.pillow} opens those whose bytes are odd")
    remedy = install_command("decode")
    return Finding(DECODERS, Level.NOTE, "images", f"Pillow is not installed: {_LATE}", remedy)


def _recordings(has: Installed) -> Finding:
    if has.av or has.ffmpeg:
        name = has.program or f"PyAV {has.av}"
        return good(DECODERS, "video and audio", f"{name} opens those whose bytes are odd")
    message = f"neither PyAV is installed nor ffmpeg on PATH: {_LATE}"
    remedy = f"{install_command('video')}, or the system's package ffmpeg"
    return Finding(DECODERS, Level.NOTE, "video and audio", message, remedy)
