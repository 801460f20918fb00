"""Stage three: waits for what was bought, and reads the results."""

from __future__ import annotations

from runflowd.pipeline.track.stage import Track

__all__ = ["Track"]
