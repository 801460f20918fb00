"""A folder's owner tag: who writes into it. An extended attribute (xattr(7)), so that no file is in anybody's way."""

from __future__ import annotations

import os

_NAME = "user.runflowd.owner"


def owner_tag(folder: str) -> str:
    """The owner tag of a folder; empty without one, and where the file system keeps none."""
    try:
        return os.getxattr(folder, _NAME).decode("utf-8", "replace")
    except OSError:
        return ""


def set_owner_tag(folder: str, tag: str) -> None:
    """Mark a folder where that is possible."""
    try:
        os.setxattr(folder, _NAME, tag.encode())
    except OSError:
        return
