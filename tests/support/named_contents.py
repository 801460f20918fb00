"""Contents by a name: the hash that a file would have whose bytes are that text."""

from __future__ import annotations

import hashlib


def named(name: str) -> str:
    """The hex sha256 of a text."""
    return hashlib.sha256(name.encode()).hexdigest()
