"""Stage one: notices files, waits until they are stable, and seals them into batches."""

from __future__ import annotations

from runflowd.pipeline.intake.stage import Intake

__all__ = ["Intake"]
