"""The files of a configuration: which they are, their bytes, and by what a change of them is told."""

from __future__ import annotations

import hashlib
import os
import shlex
from pathlib import Path

from runflowd.config.yaml import MAX_BYTES
from runflowd.errors import ConfigError, Problem

_SUFFIX = ".yaml"


def config_folder(path: str) -> str:
    """The folder that relative paths of a configuration start from."""
    whole = os.path.realpath(path)

    return whole if Path(whole).is_dir() else str(Path(whole).parent)


def source_files(path: str) -> list[str]:
    """The files that make a configuration, in their order. Raises ConfigError where a folder has none."""
    place = Path(path)
    if not place.is_dir():
        return [path]

    try:
        found = sorted(each.name for each in place.iterdir() if each.suffix == _SUFFIX and each.name[0] != ".")
    except OSError as error:
        raise ConfigError((Problem(path, 0, 0, "", f"cannot be read: {error.strerror}"),)) from error
    if not found:
        raise ConfigError((Problem(path, 0, 0, "", f"holds no *.yaml file; {_writes_one(path)}"),))

    return [str(place / name) for name in found]


def _writes_one(path: str) -> str:
    return f"`runflowd init {shlex.quote(path)}` writes a first one"


def read_source(file: str) -> tuple[bytes, int]:
    """The bytes of a file, and the mode of the very file that was read. Raises ConfigError."""
    try:
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1), os.fstat(stream.fileno()).st_mode
    except FileNotFoundError as error:
        message = f"does not exist; {_writes_one(file)}"
        raise ConfigError((Problem(file, 0, 0, "", message),)) from error
    except OSError as error:
        raise ConfigError((Problem(file, 0, 0, "", f"cannot be read: {error.strerror}"),)) from error


class Checksum:
    """Names the files that were read, and what stands in them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, file: str, content: bytes) -> None:
        """One file more."""
        self._hash.update(f"{file}\0{len(content)}\0".encode(errors="surrogateescape") + content)

    @property
    def digest(self) -> str:
        """Equal for equal files in the same order."""
        return self._hash.hexdigest()
