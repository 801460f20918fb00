"""Rename without replacing, as well as the file system can."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Way: TypeAlias = "Callable[[str, str, int, int], None]"
"""Given old name, new name and their open folders, rename; FileExistsError if the new name exists."""

_RENAME_NOREPLACE = 1  # linux/fs.h; renameat2(2)
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM})


def rename_new(old: str, new: str, old_folder: int, new_folder: int) -> None:
    """Rename between open folders of one file system; FileExistsError if `new` exists.

    Atomic where the file system knows RENAME_NOREPLACE or hard links. Elsewhere (FAT, some network
    shares) a file made in the instant between look and rename would be lost; nothing better exists.
    """
    for way in (_by_renameat2, _by_link):
        try:
            return way(old, new, old_folder, new_folder)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
    return _by_look(old, new, old_folder, new_folder)


def _by_renameat2(old: str, new: str, old_folder: int, new_folder: int) -> None:
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _renameat2(old_folder, os.fsencode(old), new_folder, os.fsencode(new), _RENAME_NOREPLACE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _by_link(old: str, new: str, old_folder: int, new_folder: int) -> None:
    os.link(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder, follow_symlinks=False)
    os.unlink(old, dir_fd=old_folder)


def _by_look(old: str, new: str, old_folder: int, new_folder: int) -> None:
    try:
        os.lstat(new, dir_fd=new_folder)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _load() -> Callable[[int, bytes, int, bytes, int], int] | None:
    """The C library's wrapper: glibc has it since 2.28, some others have not."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    function.restype = ctypes.c_int
    return function


_renameat2 = _load()
