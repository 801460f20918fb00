"""Small files of every kind that a rule may take and that is no image: real containers around made-up content."""

from __future__ import annotations

from random import Random

from pictures import box

CONTENT = Random(12).randbytes(2000)


def mp4(brand: bytes = b"isom") -> bytes:
    """A recording with what describes it at the end, as cameras write it."""
    return box(b"ftyp", brand + bytes(4) + brand) + box(b"mdat", CONTENT) + box(b"moov", box(b"mvhd", bytes(100)))


def fast_mp4() -> bytes:
    """The same with what describes it in front, as it is made for the web."""
    return box(b"ftyp", b"isom" + bytes(4) + b"isom") + box(b"moov", box(b"mvhd", bytes(100))) + box(b"mdat", CONTENT)


def fragmented_mp4() -> bytes:
    """In fragments, with the index at the end that says so."""
    fragment = box(b"moof", box(b"mfhd", bytes(8))) + box(b"mdat", CONTENT[:500])
    return box(b"ftyp", b"iso5" + bytes(8)) + box(b"moov", bytes(100)) + fragment * 3 + box(b"mfra", bytes(16))


def wav() -> bytes:
    """PCM."""
    form = b"fmt " + (16).to_bytes(4, "little") + bytes(16)
    chunks = b"WAVE" + form + b"data" + len(CONTENT).to_bytes(4, "little") + CONTENT
    return b"RIFF" + len(chunks).to_bytes(4, "little") + chunks


def webm(*, size_known: bool = True) -> bytes:
    """An EBML header and a segment."""
    head = b"\x1aE\xdf\xa3\x87\x42\x82\x84webm"
    size = (len(CONTENT) | 1 << 56).to_bytes(8, "big") if size_known else b"\x01" + b"\xff" * 7
    return head + b"\x18\x53\x80\x67" + size + CONTENT


def glb() -> bytes:
    """A scene and its buffer."""
    scene = b'{"asset":{"version":"2.0"}}     '
    buffer = len(CONTENT).to_bytes(4, "little") + b"BIN\0" + CONTENT
    chunks = len(scene).to_bytes(4, "little") + b"JSON" + scene + buffer
    return b"glTF\x02\0\0\0" + (12 + len(chunks)).to_bytes(4, "little") + chunks


def pdf() -> bytes:
    """A document whose last bytes are its end marker."""
    return b"%PDF-1.7\n" + CONTENT.hex().encode() + b"\nstartxref\n9\n%%EOF"


MARKED = {
    "video/mp4": mp4(),
    "video/mp4, in front": fast_mp4(),
    "video/mp4, in fragments": fragmented_mp4(),
    "video/quicktime": mp4(b"qt  "),
    "audio/mp4": mp4(b"M4A "),
    "audio/wav": wav(),
    "video/webm": webm(),
    "model/gltf-binary": glb(),
    "application/pdf": pdf(),
}
"""Those whose bytes say where they end, by MIME type."""

UNMARKED = {
    "audio/mpeg": b"ID3\x04\0\0\0\0\0\0" + (b"\xff\xfb\x90\x64" + CONTENT[:413]) * 4,
    "audio/mpeg, bare": (b"\xff\xfb\x90\x64" + CONTENT[:413]) * 4,
    "audio/flac": b"fLaC\x80\0\0\x22" + CONTENT,
    "audio/ogg": b"OggS\0\x02" + bytes(20) + b"\x01\x1e\x01vorbis" + CONTENT,
    "audio/opus": b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead" + CONTENT,
    "video/webm, streamed": webm(size_known=False),
}
"""Those of which a part is as good a file as the whole."""
