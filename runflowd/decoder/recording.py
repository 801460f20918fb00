"""A video or a sound, read by PyAV (FFmpeg as a library) from its first packet to its last."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import av
import av.logging
from av.stream import Disposition

from runflowd.decoder.installed import DEMUXERS
from runflowd.decoder.limits import MAX_MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPTIONS = {"protocol_whitelist": "file", "err_detect": "explode"}
"""Nothing but this file is read, and what is odd is an error."""


def trouble_of(descriptor: int, mime: str) -> str:
    """What FFmpeg says of a recording; "" if it read every packet, and decoded a beginning of each stream.

    More is not decoded: hours of video take longer than anybody waits, and what is asked is whether all of it is there.
    """
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as said:
            trouble = _read(f"/proc/self/fd/{descriptor}", DEMUXERS[mime])
    except MemoryError:
        return f"reading it needs more than {MAX_MEMORY // 1024**2} MiB of memory"
    except (av.FFmpegError, ValueError, EOFError) as error:
        trouble = getattr(error, "strerror", None) or str(error)
    words = _words(said) or trouble
    return f"FFmpeg says: {words}" if words else ""


def _read(path: str, form: str) -> str:
    with av.open(path, format=form, options=_OPTIONS) as container:
        streams = [each for each in chain(container.streams.video, container.streams.audio) if not _is_cover(each)]
        if not streams:
            return "there is neither video nor sound in it"
        known = [each for each in streams if each.codec_context is not None]  # the others can be read all the same
        for each in known:
            each.codec_context.thread_count = 1  # threads need memory for their stacks
        silent, last = {each.index for each in known}, None
        for packet in container.demux(streams):
            if packet.is_corrupt:
                return "a packet is cut short"
            if packet.size:
                last = packet
            if packet.stream_index in silent and packet.decode():
                silent.discard(packet.stream_index)
        if form == "flac" and last is not None:
            return _end_of_flac(last, streams[0].duration)
        return "nothing of it can be decoded" if silent else ""


def _end_of_flac(last: av.Packet, samples: int | None) -> str:
    """How it ends too early; "" if it does not. It says how many samples it has (RFC 9639, section 8.2).

    A block that is cut short has its whole length in samples all the same, but not its checksum.
    """
    last.decode()
    end = (last.pts or 0) + (last.duration or 0)
    return f"it should have {samples} samples and has {end}" if samples and end < samples else ""


def _is_cover(stream: av.VideoStream | av.AudioStream) -> bool:
    """A picture that stands beside the sound in a tag."""
    return bool(stream.disposition & Disposition.attached_pic)


def _words(said: Sequence[tuple[int, str, str]]) -> str:
    return next((message.strip() for _, _, message in said if message.strip()), "")
