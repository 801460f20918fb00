"""An environment as users make it: a fresh venv with the program installed into it, and nothing for development.

What else is installed changes how fast a program is: httpcore looks for `sniffio` at every lock, and where that is not
there, each look walks the import path.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def user_environment(folder: Path, extra: str = "") -> Path:
    """Make one in `folder`, from this checkout with an `extra`; give its Python. aiohttp is for a baseline alone."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603  our own
    python = folder / "bin" / "python"
    pip = (str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    subprocess.run([*pip, f"{ROOT}[{extra}]" if extra else str(ROOT), "aiohttp"], check=True, stdout=sys.stderr)  # noqa: S603  the same
    return python
