"""Stage two: uploads what a sealed batch holds and buys it, at most once."""

from __future__ import annotations

from runflowd.pipeline.dispatch.stage import Dispatch

__all__ = ["Dispatch"]
