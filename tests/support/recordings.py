"""Small files of every kind that a rule may take and that is no image: real containers around made-up content."""

from __future__ import annotations

import io
import zipfile
from random import Random

from pictures import box

CONTENT = Random(12).randbytes(2000)


def mp4(brand: bytes = b"isom") -> bytes:
    """A recording with what describes it at the end, as cameras write it."""
    return box(b"ftyp", brand + bytes(4) + brand) + box(b"mdat", CONTENT) + box(b"moov", box(b"mvhd", bytes(100)))


def fast_mp4(content: bytes = CONTENT) -> bytes:
    """The same with what describes it in front, as it is made for the web."""
    return box(b"ftyp", b"isom" + bytes(4) + b"isom") + box(b"moov", box(b"mvhd", bytes(100))) + box(b"mdat", content)


def chunks_at(*offsets: int, wide: bool = False) -> bytes:
    """What describes a recording of one track whose chunks lie at these offsets."""
    width, kind = (8, b"co64") if wide else (4, b"stco")
    table = bytes(4) + len(offsets).to_bytes(4, "big") + b"".join(each.to_bytes(width, "big") for each in offsets)
    track = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(kind, table)))))
    return box(b"moov", box(b"mvhd", bytes(100)) + track)


def split_mp4(*, wide: bool = False) -> bytes:
    """With its media in two boxes, a chunk in each."""
    head, half = box(b"ftyp", b"isom" + bytes(4) + b"isom"), box(b"mdat", CONTENT[:900])
    first = len(head) + len(chunks_at(0, 0, wide=wide)) + 8
    return head + chunks_at(first, first + len(half), wide=wide) + half * 2


def indexed_mp4() -> bytes:
    """In two fragments, with an index in front that says how long they are."""
    fragment = box(b"moof", box(b"mfhd", bytes(8))) + box(b"mdat", CONTENT[:500])
    entries = (len(fragment).to_bytes(4, "big") + bytes(8)) * 2
    index = box(b"sidx", bytes(22) + (2).to_bytes(2, "big") + entries)
    return box(b"ftyp", b"iso6" + bytes(8)) + box(b"moov", bytes(100)) + index + fragment * 2


def quicktime(*, moov_first: bool = False) -> bytes:
    """A MOV that is older than `ftyp`."""
    moov, mdat = box(b"moov", box(b"mvhd", bytes(100))), box(b"mdat", CONTENT)
    return moov + mdat if moov_first else box(b"wide", b"") + mdat + moov


def fragmented_mp4() -> bytes:
    """In fragments, with the index at the end that says so."""
    fragment = box(b"moof", box(b"mfhd", bytes(8))) + box(b"mdat", CONTENT[:500])
    return box(b"ftyp", b"iso5" + bytes(8)) + box(b"moov", bytes(100)) + fragment * 3 + box(b"mfra", bytes(16))


def wav() -> bytes:
    """PCM."""
    form = b"fmt " + (16).to_bytes(4, "little") + bytes(16)
    chunks = b"WAVE" + form + b"data" + len(CONTENT).to_bytes(4, "little") + CONTENT
    return b"RIFF" + len(chunks).to_bytes(4, "little") + chunks


def rf64() -> bytes:
    """PCM with room for more than 4 GiB: the sizes of eight bytes stand in a chunk of their own (EBU Tech 3306)."""
    form = b"fmt " + (16).to_bytes(4, "little") + bytes(16)
    rest = form + b"data\xff\xff\xff\xff" + CONTENT
    sizes = (4 + 36 + len(rest)).to_bytes(8, "little") + len(CONTENT).to_bytes(8, "little") + bytes(12)
    return b"RF64\xff\xff\xff\xffWAVEds64" + (28).to_bytes(4, "little") + sizes + rest


def webm(*, size_known: bool = True, doctype: bytes = b"webm") -> bytes:
    """An EBML header and a segment."""
    kind = b"\x42\x82" + bytes([0x80 | len(doctype)]) + doctype
    head = b"\x1aE\xdf\xa3" + bytes([0x80 | len(kind)]) + kind
    size = (len(CONTENT) | 1 << 56).to_bytes(8, "big") if size_known else b"\x01" + b"\xff" * 7
    return head + b"\x18\x53\x80\x67" + size + CONTENT


def glb() -> bytes:
    """A scene and its buffer."""
    scene = b'{"asset":{"version":"2.0"}}     '
    buffer = len(CONTENT).to_bytes(4, "little") + b"BIN\0" + CONTENT
    chunks = len(scene).to_bytes(4, "little") + b"JSON" + scene + buffer
    return b"glTF\x02\0\0\0" + (12 + len(chunks)).to_bytes(4, "little") + chunks


def mp3(*, told: bool = True) -> bytes:
    """Frames, in front of them one that says how many bytes there are (or nothing)."""
    frame = b"\xff\xfb\x90\x64" + CONTENT[:413]
    length = (5 * len(frame)).to_bytes(4, "big") if told else bytes(4)
    first = b"\xff\xfb\x90\x64" + bytes(32) + b"Info\0\0\0\3" + (4).to_bytes(4, "big") + length
    return b"ID3\x04\0\0\0\0\0\0" + first.ljust(len(frame), b"\x55") + frame * 4


def ogg(codec: bytes, *, ended: bool = True) -> bytes:
    """Two pages; the second says whether it is the last (RFC 3533)."""
    first = codec.ljust(30, b"\x01")
    pages = ((2, first), (4 if ended else 0, CONTENT[:1000]))
    return b"".join(
        b"OggS\0" + bytes([flags]) + bytes(20) + bytes([len(data) // 255 + 1]) + _lacing(len(data)) + data
        for flags, data in pages
    )


def _lacing(length: int) -> bytes:
    return b"\xff" * (length // 255) + bytes([length % 255])


def archive() -> bytes:
    """A ZIP with one file in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("photo.jpg", CONTENT)
    return stream.getvalue()


def pdf() -> bytes:
    """A document whose last bytes are its end marker."""
    return b"%PDF-1.7\n" + CONTENT.hex().encode() + b"\nstartxref\n9\n%%EOF"


def linearized_pdf() -> bytes:
    """A document made for the web, which says how long it is."""
    rest = b"/H [1 2] >>\nendobj\n%%EOF\n" + CONTENT.hex().encode() + b"\nstartxref\n9\n%%EOF\n"
    head = b"%PDF-1.7\n1 0 obj\n<< /Linearized 1 /L 000000 "
    return head.replace(b"000000", b"%06d" % (len(head) + len(rest))) + rest


MARKED = {
    "video/mp4": mp4(),
    "video/mp4, in front": fast_mp4(),
    "video/mp4, in fragments": fragmented_mp4(),
    "video/mp4, in two boxes": split_mp4(),
    "video/mp4, in two boxes far behind": split_mp4(wide=True),
    "video/mp4, in fragments with an index in front": indexed_mp4(),
    "video/quicktime": mp4(b"qt  "),
    "video/quicktime, without a brand": quicktime(),
    "video/quicktime, without a brand, in front": quicktime(moov_first=True),
    "audio/mp4": mp4(b"M4A "),
    "audio/wav": wav(),
    "audio/wav, RF64": rf64(),
    "video/webm": webm(),
    "video/x-matroska": webm(doctype=b"matroska"),
    "model/gltf-binary": glb(),
    "application/pdf": linearized_pdf(),
}
"""Those whose bytes say where they end, by MIME type."""

ENDED = {"audio/mpeg": mp3(), "audio/ogg": ogg(b"\x01vorbis"), "audio/opus": ogg(b"OpusHead")}
"""Those that say that they are whole, and of which a part is as good a file all the same."""

UNMARKED = {
    "audio/mpeg": b"ID3\x04\0\0\0\0\0\0" + (b"\xff\xfb\x90\x64" + CONTENT[:413]) * 4,
    "audio/mpeg, bare": (b"\xff\xfb\x90\x64" + CONTENT[:413]) * 4,
    "audio/mpeg, without its length": mp3(told=False),
    "audio/flac": b"fLaC\x80\0\0\x22" + CONTENT,
    "audio/ogg": ogg(b"\x01vorbis", ended=False),
    "audio/opus": ogg(b"OpusHead", ended=False),
}
"""Those of which a part is as good a file as the whole."""

STREAMED = {
    "audio/mpeg, half": mp3()[:1200],
    "audio/ogg, half": ogg(b"\x01vorbis")[:600],
    "video/webm, streamed": webm(size_known=False),
    "video/mp4, in fragments": fragmented_mp4().partition(box(b"mfra", bytes(16)))[0],
}
"""The same, written piece by piece, or said to be longer."""
