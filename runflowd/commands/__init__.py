"""The commands, one module each: parse, call, print. `runflowd.cli` loads them by name."""

from __future__ import annotations
