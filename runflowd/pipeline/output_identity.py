"""Whether the folders that results go to are those that they went to before.

Where a disk is not mounted there is its mount point, an empty folder or none at all. What is written there fills the
disk below, and is hidden once the right one is back. So a folder that lost its mark is taken only where it stands on
the same disk as before: then somebody removed or replaced it, and a new one is made. Several hosts on one store go by
the mark alone (`mounted.py`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runflowd import files
from runflowd.core.identity import is_on_the_same_disk
from runflowd.store.roots import output_identity, save_output_identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.identity import Identity
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection


class OutputChanged(files.FileError):
    """What stands at the place of an output folder is not on its disk."""

    what = "it is not the folder that results went to before: its disk is not mounted, or another one is"

    def __init__(self, rule: str, folder: str) -> None:
        self.rule = rule
        super().__init__("write into", folder)

    @property
    def advice(self) -> str:
        """How the old folder is had back, or the new one accepted."""
        return (
            "Mount it; what is bought is delivered then by itself, and nothing more is bought meanwhile. If what is "
            f"there now is right: `runflowd resume {self.rule} --accept-folder`"
        )


class _Seen(NamedTuple):
    """A folder as it was met, or where there is none, the nearest one above it."""

    there: bool
    who: Identity


async def require_same(context: Context, rule: Rule) -> None:
    """Raise `OutputChanged` unless each folder is the known one; one that is new, or made anew, is marked and noted.

    Raises `FileError` where a folder cannot be looked at or made.
    """
    known = await context.store.read(partial(_known, rule=rule))
    seen = await context.io.written(rule).read(_look, tuple(known))
    for folder, (there, met) in seen.items():
        before = known[folder]
        is_marked = there and before is not None and bool(met.mark) and met.mark == before.mark
        if before is not None and not is_marked and not is_on_the_same_disk(before, met):
            raise OutputChanged(rule.name, folder)
        if not there or before is None or (before.mark, before.device, before.boot) != (met.mark, met.device, met.boot):
            found = await context.io.written(rule).write(_marked, folder)
            await context.store.write(partial(save_output_identity, folder=folder, identity=found))


def _known(connection: Connection, rule: Rule) -> Mapping[str, Identity | None]:
    return {folder: output_identity(connection, folder) for folder in rule.delivered_to.values()}


def _look(folders: tuple[str, ...]) -> dict[str, _Seen]:
    """Who stands at these places. Blocking."""
    return {folder: _met(folder) for folder in folders}


def _met(folder: str) -> _Seen:
    try:
        return _Seen(there=True, who=files.identify(folder))
    except files.Missing:
        parent = str(Path(folder).parent)
        if parent == folder:
            raise
        return _Seen(there=False, who=_met(parent).who)


def _marked(folder: str) -> Identity:
    """A folder with a mark, where one can be written; made if need be. Blocking."""
    files.ensure_root(folder)
    if not files.identify(folder).mark:
        files.mark_folder(folder)
    return files.identify(folder)
