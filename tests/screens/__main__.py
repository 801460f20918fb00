"""`python -m tests.screens`: pictures of the page as it is now, for the documents, of a daemon with real work in hand.

Needs chromium, its driver, and the weights of the local models. Each screen is taken on a desk and on a phone, in light
and in dark; whoever takes them looks at every one.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

TESTS = Path(__file__).resolve().parents[1]


def main() -> int:
    """Set the scene, take the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.screens", description=__doc__)
    parser.add_argument("--into", type=Path, default=TESTS.parent / "docs" / "screens", help="where the pictures go")
    into = parser.parse_args().into.absolute()
    sys.path[:0] = [str(TESTS.parent), str(TESTS / "support")]
    camera, scene = (import_module(f"tests.screens.{name}") for name in ("camera", "scene"))
    with TemporaryDirectory(prefix="studio-") as folder, scene.Scene(Path(folder)) as made:
        for name, size in camera.take(made, into).items():
            sys.stdout.write(f"{name}: {size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
