"""`python -m tests.corpus`: real files from packages, whole and cut short, against what would be sent of them.

Prints a table by format, and each file that went another way than it should: one that decodes and is refused, and a
part that is sent at once. Needs Pillow, pillow-heif and PyAV.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from itertools import islice
from pathlib import Path

GROUP = 50
"""Files judged in one go: starting a decoder takes longer than most of them."""

TESTS = Path(__file__).resolve().parents[1]


def main() -> int:
    """Fetch, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--cache", type=Path, default=TESTS.parent / "build" / "corpus", help="where packages are kept")
    cache = parser.parse_args().cache.absolute()
    sys.path[:0] = [str(TESTS.parent), str(TESTS / "support")]
    fetching, judging, table = (import_module(f"tests.corpus.{name}") for name in ("fetching", "judging", "table"))
    decoder = import_module("runflowd.decoder")
    fetching.fetch(cache)
    asked = decoder.Decoder()
    found = []
    files = fetching.media(cache)
    while group := list(islice(files, GROUP)):
        found += judging.judge(group, asked)
    sys.stdout.write("\n".join([*table.lines(found), f"{len(found)} files\n"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
