from __future__ import annotations

import sys

from runflowd.cli import program

sys.exit(program())
