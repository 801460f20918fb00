"""The demonstration: the real daemon on sample photos, and a sheet that shows what became of them."""

from __future__ import annotations
