"""What people who only see the share may set: `_runflow.yaml` in a watched folder, for the files beneath it."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.config import load_override
from runflowd.core.rules import OVERRIDE_NAME

if TYPE_CHECKING:
    from runflowd.core.model import Json, Rule

MOST_BYTES = 64 * 1024


class Overrides:
    """The overrides of one rule's folders, each file read once. Blocking; made anew for every page of files."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._found: dict[str, dict[str, Json]] = {}

    def of(self, folder: str) -> dict[str, Json]:
        """The input keys set for files in a folder, the nearest `_runflow.yaml` winning.

        Raises `ConfigError` with every mistake in one of them, `FileTrouble` when one cannot be read.
        """
        above: dict[str, Json] = {}
        for each in ("", *accumulate(folder.split("/"), "{}/{}".format)) if folder else ("",):
            if each not in self._found:
                self._found[each] = {**above, **self._read(f"{each}/{OVERRIDE_NAME}" if each else OVERRIDE_NAME)}
            above = self._found[each]
        return above

    def _read(self, path: str) -> dict[str, Json]:
        if files.stat(self._rule.watch, path) is None:
            return {}
        with files.image_source(self._rule.watch, path) as source:
            data = source.read(0, MOST_BYTES + 1)
        return load_override(data.decode("utf-8", "replace"), f"{self._rule.watch}/{path}", self._rule)
