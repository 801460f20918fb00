"""Keeps folders in step with the Runflow API: drop files in, get results out."""

from __future__ import annotations

__version__ = "0.1.0"
