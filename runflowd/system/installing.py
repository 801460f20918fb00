"""The commands that lead to this very program and this Python, as they are typed: others may lie on PATH."""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def install_command(extras: str) -> str:
    """What installs these extras of runflowd, such as `local,video`, where this program finds them."""
    python = called(Path(sys.executable))
    pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{pip} 'runflowd[{extras}]'"


def called(program: Path) -> str:
    """How a shell finds this very program: by its name, if that leads to it."""
    found = shutil.which(program.name)
    return program.name if found and Path(found) == program else shlex.quote(str(program))
