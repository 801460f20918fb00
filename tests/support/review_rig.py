"""What tests ask of judged results: where they all stand, and how many wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.review import REVIEW_NOTE
from runflowd.files.draft import is_draft
from runflowd.store.verdicts import count_to_review

if TYPE_CHECKING:
    from stage_rig import Rig

HELD = ".runflowd-held/"


def everything(rig: Rig, folder: str = "out") -> set[str]:
    """Every file below an output folder, hidden ones included, but for the note about them."""
    root = rig.folder / folder
    found = [path for path in root.rglob("*") if path.is_file() and path.name != REVIEW_NOTE]
    return {str(path.relative_to(root)) for path in found if not is_draft(path.name)}


async def waiting(rig: Rig) -> int:
    """How many results wait for a verdict."""
    return sum((await rig.store.read(count_to_review)).values())
