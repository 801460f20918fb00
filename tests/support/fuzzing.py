"""The loop of a fuzzer: bent inputs one after another until one is not borne, which is then kept."""

from __future__ import annotations

import argparse
import hashlib
import resource
import secrets
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from fuzz_targets import TARGETS
from mutation import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz_targets import Target

LONGEST = 5.0
"""Seconds of processor time for one input; the slowest that is right takes a fraction of one."""

MEMORY = 1024**3
"""Bytes of address space that reading may take beyond what the loop has at its start."""


class TookTooLongError(BaseException):
    """One input was not read within `LONGEST`. No reader's `except Exception` takes it for its own."""


def main(description: str) -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=description)
    parser.add_argument("target", choices=TARGETS, help="what is given the inputs")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the inputs")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="where a failing input is kept")
    parser.add_argument("--input", type=Path, help="try this kept input and nothing else")
    parser.add_argument("--atheris", action="store_true", help="let atheris choose the inputs")
    return fuzz(parser.parse_args())


def fuzz(options: argparse.Namespace) -> int:
    """Try the chosen target for the chosen time, or one kept input; 1 if something was found."""
    target = TARGETS[options.target]
    if options.input is not None:
        target.attempt(options.input.read_bytes())
        return 0
    if options.atheris:
        return _hand_over(target, options.folder)
    _say(f"{options.target}: seed {options.seed}")
    began = time.monotonic()
    count, slowest, found, data = 0, 0.0, None, b""
    with _bounds():
        for data in _inputs(target, options.seed, began + options.minutes * 60):
            started = time.monotonic()
            found = trouble(target, data)
            count, slowest = count + 1, max(slowest, time.monotonic() - started)
            if found is not None:
                break
    pace = f"{count / (time.monotonic() - began):.0f} a second, the slowest took {slowest:.2f} s"
    _say(f"{options.target}: {count} inputs, {pace}, {'1 finding' if found else 'nothing found'}")
    if found is None:
        return 0
    _say(f"{found}kept as {keep(options.folder, options.target, data)}; try it again with --input")
    return 1


def _inputs(target: Target, seed: int, until: float) -> Iterator[bytes]:
    corpus = target.corpus()
    yield from corpus
    random = Random(seed)
    while time.monotonic() < until:
        yield mutated(corpus, random)


def trouble(target: Target, data: bytes) -> str | None:
    """What a target says of an input that it cannot bear, as a traceback; None if it can."""
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        target.attempt(data)
    except (Exception, TookTooLongError):  # noqa: BLE001  whatever it is, it is the finding
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


def keep(folder: Path, name: str, data: bytes) -> Path:
    """Write an input down under the name of its content."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    file.write_bytes(data)
    return file


@contextmanager
def _bounds() -> Iterator[None]:
    """Let too much memory be a MemoryError, and too much time a `TookTooLongError`."""

    def notify(*_: object) -> None:
        raise TookTooLongError

    before, limits = signal.signal(signal.SIGPROF, notify), resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGPROF, before)


def _hand_over(target: Target, folder: Path) -> int:
    """Let atheris choose the inputs, guided by what code they reach. It ends the process at its first finding."""
    atheris = import_module("atheris")
    seeds = folder / "seeds"
    for data in target.corpus():
        keep(seeds, "seed", data)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-artifact_prefix={folder}/", str(seeds)], target.attempt)
    atheris.Fuzz()
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
