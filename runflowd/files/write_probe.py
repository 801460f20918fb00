"""Whether a folder takes files, found out by making one."""

from __future__ import annotations

import os

from runflowd.files.draft import Draft
from runflowd.files.folders import joined


def try_writing(folder: str) -> bool:
    """Make a hidden file in a folder and remove it again; tell whether the folder takes `A` and `a` for one name.

    Raises FileError where no file can be made.
    """
    with Draft(folder, "", limit=1) as draft:
        draft.write(b"\n")
        name = draft.flush().relative
        return os.path.lexists(joined(folder, name.upper()))
