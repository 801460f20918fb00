"""`python -m tests.fuzz yaml --minutes 10`: hostile inputs until one is not borne.

The seed is printed first, and the same seed gives the same inputs. What fails is kept in a file and told with
its traceback; `--input FILE` tries it again. With `--atheris`, that fuzzer chooses the inputs, if it is installed.
Exit code 0: every input was read or refused as promised.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

SUPPORT = Path(__file__).resolve().parents[1] / "support"

if __name__ == "__main__":
    sys.path.insert(0, str(SUPPORT))
    sys.exit(import_module("fuzzing").main(__doc__))
