"""Bytes that are nearly right: real inputs, bent and crossed the way a fuzzer does it, from a seed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

LONGEST = 64 * 1024
"""Bytes; a longer input costs speed and shows nothing that a shorter one does not."""

TOKENS = (
    *(b"", b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff" * 8, b"\x80\0\0\0", b"\0" * 64, b"\xef\xbb\xbf", b"\xff\xfe"),
    *(
        b"[" * 200,
        b"{" * 200,
        b'{"a":' * 2000,
        b"- " * 100,
        b"]",
        b"}",
        b"&a [*a]",
        b"*a",
        b"<<: *a",
        b"!!python/name:os.system",
    ),
    *(
        b"? ",
        b": ",
        b"---\n",
        b"...\n",
        b"%YAML 1.2\n",
        b"\t",
        b"\r\n",
        b"|\n",
        b">-\n",
        b"#",
        b'"',
        b"'",
        b"\\x",
        b"\\ud800",
    ),
    *(
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-1",
        b"9" * 40,
        b"9" * 5000,
        b"0x10",
        b"1:30",
        b"..",
        b"../../x",
    ),
    *(b"https://2130706433/", b"http://[::ffff:7f00:1]/", b"data:;base64,AA", b"<html>", b"\xc2\x9b", b"\xe2\x80\xae"),
    *(
        b"${file.url}",
        b"${",
        b"%00",
        b"\xed\xa0\x80",
        b"id",
        b"items",
        b"output",
        b"status",
        b"next_pq",
        b"error",
        b"loc",
    ),
)
"""What readers stumble over: limits of numbers, depths, markers of the formats, addresses, half characters."""


VALUES = (
    *(
        b"null",
        b"true",
        b"-1",
        b"0",
        b"1e999",
        b"NaN",
        b"9" * 400,
        b'""',
        b'"\\ud800"',
        b'"\\u0000"',
        b"[]",
        b"{}",
        b"[[[[1]]]]",
    ),
    *(
        b'"../../x"',
        b'"https://2130706433/"',
        b'"data:image/png;base64,AAAA"',
        b'"data:,%zz"',
        b'"runflow://assets/x"',
        b'{"a": {}}',
    ),
    *(b'"succeeded"', b'"failed"', b'"${zip.url}"', b'"\\u202e<b>"', b"[" * 40 + b"]" * 40),
)
"""What may stand in the place of a value in JSON or YAML."""

_VALUE = re.compile(rb'(?<=[:\[,])[ \t]*("(?:[^"\\\n]|\\.)*"|-?[0-9.]+|[a-z]+)')


def mutated(corpus: Sequence[bytes], random: Random) -> bytes:
    """One of the inputs after one to eight random changes; now and then none."""
    data = bytearray(random.choice(corpus))
    for _ in range(random.choice((0, 1, 1, 2, 2, 4, 8))):
        random.choice(_CHANGES)(data, corpus, random)
        del data[LONGEST:]
    return bytes(data)


def _flip(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    if data:
        data[_place(data, random)] ^= 1 << random.randrange(8)


def _put(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    if data:
        data[_place(data, random)] = random.choice((0, 1, 0x20, 0x7F, 0x80, 0xFF, random.randrange(256)))


def _number(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    """Lengths and offsets are numbers of 2, 4 or 8 bytes in either order."""
    width = random.choice((2, 4, 8))
    value = random.choice(
        (0, 1, len(data), len(data) - 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1, random.randrange(64))
    )
    at = _place(data, random)
    data[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, random.choice(("big", "little")))


def _insert(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = _place(data, random)
    data[at:at] = random.choice(TOKENS)


def _overwrite(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at, token = _place(data, random), random.choice(TOKENS)
    data[at : at + len(token)] = token


def _cut(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = _place(data, random)
    del data[at : at + random.choice((1, 2, 8, 64, len(data)))]


def _value(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    """Well-formed text with one value that nobody expects gets further than text that is not."""
    places = list(_VALUE.finditer(bytes(data[:LONGEST])))
    if places:
        found = random.choice(places)
        data[found.start(1) : found.end(1)] = random.choice(VALUES)


def _repeat(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = _place(data, random)
    piece = data[at : at + random.choice((1, 4, 16, 64))]
    data[at:at] = piece * random.choice((1, 2, 16, 256))


def _cross(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    other = random.choice(corpus)
    at = random.randrange(len(other) + 1)
    here = _place(data, random)
    data[here:here] = other[at : at + random.choice((4, 32, 256, LONGEST))]


def _place(data: bytearray, random: Random) -> int:
    """Headers decide most, so half of the changes strike the first hundred bytes."""
    reach = min(len(data), 100) if random.random() < 0.5 else len(data)
    return random.randrange(reach) if reach else 0


_CHANGES: tuple[Callable[[bytearray, Sequence[bytes], Random], None], ...] = (
    *(_flip, _put, _number, _insert, _overwrite, _cut, _repeat, _cross, _value, _value),
)
