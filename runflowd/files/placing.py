"""Whole-file operations: copy, move, remove, and the notes that stand beside failed files."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from runflowd.files.aside import give_back, left_aside, set_aside
from runflowd.files.draft import Draft, Written, look_at, rename
from runflowd.files.errors import Changed, FileError, Missing, NotAFile, Taken, explained
from runflowd.files.folders import joined, opened_folder, parts_of, sync_folder
from runflowd.files.read import hash_file, open_source, read_chunks, stat
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import Stat
    from runflowd.files.draft import Destination, ExistingFile

NOTE_HEADING = "runflowd could not process this file."
"""The first line of every note; a file without it is not ours and is never replaced or removed."""

_MOST_NOTE_BYTES = 64 * 1024


def copy(root: str, relative: str, to: Destination, expected: Stat, *, sha256: str = "") -> Written:
    """Copy a file durably. Raises Changed if it is not `expected`, Taken if the destination exists.

    A copy, no hard link: people edit results, and an edit must not show up in a second place.
    `sha256`, if known, is checked on the way.
    """
    folder, name = _split("write", to.root, to.relative)
    with Draft(to.root, folder, limit=expected.size) as draft:
        for piece in read_chunks(root, relative, expected, sha256=sha256):
            draft.write(piece)
        return draft.commit(name, replaces=to.replaces, overwrite=to.overwrite)


def move(root: str, relative: str, to: Destination, expected: Stat, *, sha256: str = "") -> Written:
    """Move a file durably without replacing anything else; across file systems by copy, then removal.

    The hash is computed unless the caller knows it as `sha256`. After a crash either or both places
    hold the whole file; where the destination has it already, only the removal is left to do.
    Raises Changed if it is not `expected`, Taken if something else has the destination's name.
    """
    digest = sha256 or hash_file(root, relative, expected)
    try:
        return _moved(root, relative, to, expected, digest)
    except Taken:
        standing = stat(to.root, to.relative)
        if standing is None or standing.size != expected.size or hash_file(to.root, to.relative, standing) != digest:
            raise
    remove(root, relative, expected)
    return Written(to.relative, standing, digest)


def _moved(root: str, relative: str, to: Destination, expected: Stat, digest: str) -> Written:
    folder, name = _split("move", root, relative)
    to_folder, to_name = _split("write", to.root, to.relative)
    path = joined(to.root, to.relative)
    with (
        opened_folder("move", root, folder) as source,
        opened_folder("write into", to.root, to_folder, make=True) as target,
    ):
        with explained("move", joined(root, relative)):
            standing = look_at(name, source)
        _refuse_changed("move", joined(root, relative), standing, expected)
        try:
            with explained("write", path):
                rename(name, to_name, source, target, path, to.replaces, overwrite=to.overwrite)
                sync_folder(target)
                sync_folder(source)
        except FileError as error:
            if error.code != errno.EXDEV:
                raise
        else:
            return Written(to.relative, expected, digest)
    written = copy(root, relative, to, expected, sha256=digest)
    reach("source.copied")
    remove(root, relative, expected)
    return written


def remove(root: str, relative: str, expected: Stat) -> bool:
    """Remove a file durably if it is still `expected`; say whether it was there. Raises Changed.

    A newer version may take its name at any instant, and unlink(2) asks for a name only: so the file is set aside
    first, looked at once more where nobody else writes, and put back if it is not the one. What a process that was
    killed in between had set aside is taken up.
    """
    folder, name = _split("remove", root, relative)
    path = joined(root, relative)
    try:
        with opened_folder("remove", root, folder) as descriptor, explained("remove", path):
            standing = look_at(name, descriptor)
            if standing is None and (left := left_aside(name, descriptor)):
                give_back(left, name, descriptor)
                standing = look_at(name, descriptor)
            _refuse_changed("remove", path, standing, expected)
            with set_aside(name, descriptor) as aside:
                _refuse_changed("remove", path, look_at(aside, descriptor), expected)
                os.unlink(aside, dir_fd=descriptor)
    except Missing:
        return False
    return True


def remove_written(root: str, relative: str, sha256: str) -> bool:
    """Remove a file durably if it has this content; say whether it was removed. Raises Changed and Missing.

    What an earlier removal had set aside, and could neither unlink nor put back, is taken up: else a start would give
    it its name again when nobody knows it any more.
    """
    standing = stat(root, relative) or _taken_up(root, relative)
    if standing is None or hash_file(root, relative, standing) != sha256:
        return False
    return remove(root, relative, standing)


def _taken_up(root: str, relative: str) -> Stat | None:
    folder, name = _split("remove", root, relative)
    with opened_folder("remove", root, folder) as descriptor, explained("remove", joined(root, relative)):
        if left := left_aside(name, descriptor):
            give_back(left, name, descriptor)
    return stat(root, relative)


def respell(root: str, old: str, new: str) -> bool:
    """Give a file its new spelling where the disk takes both for one file; False where they are two, or none.

    By way of a name between, since a rename between two names of one file does nothing (rename(2)).
    """
    (old_folder, old_name), (new_folder, new_name) = _split("rename", root, old), _split("rename", root, new)
    with (
        opened_folder("rename", root, old_folder) as source,
        opened_folder("rename", root, new_folder) as target,
        explained("rename", joined(root, old)),
    ):
        one, other = os.lstat(old_name, dir_fd=source), os.lstat(new_name, dir_fd=target)
        if (one.st_dev, one.st_ino) != (other.st_dev, other.st_ino):
            return False
        if old_name != new_name:
            with set_aside(old_name, source) as between:
                os.rename(between, new_name, src_dir_fd=source, dst_dir_fd=target)
                with suppress(FileNotFoundError):
                    os.unlink(between, dir_fd=source)
            sync_folder(target)
        return True


def write_note(root: str, relative: str, text: str, *, heading: str = NOTE_HEADING) -> Written:
    """Put a note for people in place atomically, replacing an older note of ours.

    The text follows the line `heading`. Raises Taken if a file that has none has the name.
    """
    data = f"{heading}\n\n{text.rstrip()}\n".encode(errors="backslashreplace")[:_MOST_NOTE_BYTES]
    folder, name = _split("write", root, relative)
    replaces = _our_note(root, relative, heading)
    with Draft(root, folder, limit=_MOST_NOTE_BYTES) as draft:
        draft.write(data)
        return draft.commit(name, replaces=replaces)


def remove_note(root: str, relative: str, *, heading: str = NOTE_HEADING) -> bool:
    """Remove a note of ours, as after a retry that succeeded; say whether there was one."""
    note = _our_note(root, relative, heading)
    if note is None:
        return False
    with suppress(Changed):
        return remove(root, relative, note)
    return False


def _our_note(root: str, relative: str, wanted: str) -> Stat | None:
    """The stat of the note at a path; None if there is nothing or something that is no note."""
    found = stat(root, relative)
    if found is None:
        return None
    try:
        with open_source(root, relative) as source:
            heading = source.read(0, len(wanted))
    except (Missing, NotAFile):
        return None
    return found if heading == wanted.encode() else None


def _refuse_changed(doing: str, path: str, standing: ExistingFile | None, expected: Stat) -> None:
    if standing is None:
        raise Missing(doing, path)
    if not standing.regular or standing.stat != expected:
        raise Changed(doing, path)


def _split(doing: str, root: str, relative: str) -> tuple[str, str]:
    """Folder and name of a relative path."""
    parts = parts_of(doing, root, relative)
    if not parts:
        raise Taken(doing, root, what="it is the folder itself")
    return "/".join(parts[:-1]), parts[-1]
