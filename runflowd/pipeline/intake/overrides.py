"""What people who only see the share may set: `_runflow.yaml` in a watched folder, for the files beneath it."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.config import load_override
from runflowd.core.droppings import NEARLY_OVERRIDE_NAMES, OVERRIDE_NAME
from runflowd.errors import ConfigError, Problem

if TYPE_CHECKING:
    from runflowd.core.model import Json, Rule, Stat

MAX_BYTES = 64 * 1024


class Overrides:
    """The overrides of one rule's folders, each file read once. Blocking; made anew for every page of files."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._found: dict[str, dict[str, Json]] = {}

    def for_folder(self, folder: str) -> dict[str, Json]:
        """The input keys set for files in a folder, the nearest `_runflow.yaml` winning.

        Raises `ConfigError` with every mistake in one of them, `FileError` when one cannot be read.
        """
        above: dict[str, Json] = {}
        for each in ("", *accumulate(folder.split("/"), "{}/{}".format)) if folder else ("",):
            if each not in self._found:
                self._found[each] = {**above, **self._read(each)}
            above = self._found[each]
        return above

    def _read(self, folder: str) -> dict[str, Json]:
        path = f"{folder}/{OVERRIDE_NAME}".removeprefix("/")
        self._refuse_nearly(folder, files.stat(self._rule.watch, path))
        try:
            with files.open_source(self._rule.watch, path) as source:
                data = source.read(0, MAX_BYTES + 1)
        except files.Missing:
            return {}
        except (files.Escapes, files.NotAFile) as error:
            message = "settings are read from a plain file only: put one there, or remove what stands there"
            raise ConfigError((Problem(f"{self._rule.watch}/{path}", 0, 0, "", message),)) from error
        return load_override(data.decode("utf-8", "replace"), f"{self._rule.watch}/{path}", self._rule)

    def _refuse_nearly(self, folder: str, right: Stat | None) -> None:
        """Raise ConfigError for settings under a wrong name, unless the disk takes that for the right one."""
        for name in NEARLY_OVERRIDE_NAMES:
            path = f"{folder}/{name}".removeprefix("/")
            if files.stat(self._rule.watch, path) not in {None, right}:
                message = f"settings are read under one name only: rename it to {OVERRIDE_NAME}, or remove it"
                raise ConfigError((Problem(f"{self._rule.watch}/{path}", 0, 0, "", message),))
