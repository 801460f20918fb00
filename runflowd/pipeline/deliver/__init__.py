"""Stage four: brings results to the output folders, whole or not at all."""

from __future__ import annotations

from runflowd.pipeline.deliver.stage import Deliver

__all__ = ["Deliver"]
