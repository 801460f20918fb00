"""Several hosts on one store: how long what one has claimed is its own."""

from __future__ import annotations

LEASE = 15.0
"""Seconds after a sign of life for which what a host has claimed is its own."""

STOP_AFTER = 10.0
"""Seconds after its last sign of life for which a host acts: so that none does when its lease has ended."""
