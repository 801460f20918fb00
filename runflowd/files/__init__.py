"""The only package that touches users' files. Everything in it blocks: call it from a worker thread.

A file is named by its root (an absolute folder from the configuration) and a path relative to it.
The root itself is trusted and may be a symlink; nothing beneath it is. Each component below the
root is opened by directory descriptor without following symlinks, so that nobody who can write to a
share can make the daemon read or write elsewhere by swapping a folder for a link.
"""

from __future__ import annotations

from runflowd.files.aside import clear_up
from runflowd.files.draft import TEMPORARY_PREFIX, Destination, Draft, Written
from runflowd.files.errors import (
    Busy,
    Changed,
    Escapes,
    FileError,
    Forbidden,
    InTheWay,
    Missing,
    NameTooLong,
    NoSpace,
    NotAFile,
    OwnOutput,
    ReadOnly,
    Taken,
    TooBig,
    TooDeep,
    TooMany,
    Unusable,
)
from runflowd.files.folders import ensure_root, free_space, require_space, root_identity
from runflowd.files.identity import identify, mark_folder
from runflowd.files.placing import copy, move, remove, remove_note, remove_written, respell, write_note
from runflowd.files.read import FileSource, enter, hash_file, open_source, read_chunks, read_span, stat
from runflowd.files.scan import Listing, Skipped, ignore_progress, scan_directory, scan_with_identity, walk
from runflowd.files.shared_scan import SharedScans
from runflowd.files.write_probe import try_writing
from runflowd.files.xattr import owner_tag, set_owner_tag

__all__ = [
    "TEMPORARY_PREFIX",
    "Busy",
    "Changed",
    "Destination",
    "Draft",
    "Escapes",
    "FileError",
    "FileSource",
    "Forbidden",
    "InTheWay",
    "Listing",
    "Missing",
    "NameTooLong",
    "NoSpace",
    "NotAFile",
    "OwnOutput",
    "ReadOnly",
    "SharedScans",
    "Skipped",
    "Taken",
    "TooBig",
    "TooDeep",
    "TooMany",
    "Unusable",
    "Written",
    "clear_up",
    "copy",
    "ensure_root",
    "enter",
    "free_space",
    "hash_file",
    "identify",
    "ignore_progress",
    "mark_folder",
    "move",
    "open_source",
    "owner_tag",
    "read_chunks",
    "read_span",
    "remove",
    "remove_note",
    "remove_written",
    "require_space",
    "respell",
    "root_identity",
    "scan_directory",
    "scan_with_identity",
    "set_owner_tag",
    "stat",
    "try_writing",
    "walk",
    "write_note",
]
