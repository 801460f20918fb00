"""The configuration: YAML as people write it, checked as a whole, as one frozen Config."""

from __future__ import annotations

from runflowd.config.loading import load
from runflowd.config.snapshot import Callbacks, Config, Limits, Listen, LocalService, Log, Service

__all__ = ["Callbacks", "Config", "Limits", "Listen", "LocalService", "Log", "Service", "load"]
