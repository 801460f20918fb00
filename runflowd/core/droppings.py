"""What nobody wants bought: the names of settings in folders, and the patterns of what is left out by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD_OVERRIDE = "BAD_OVERRIDE"
"""The code of files whose folder has a `_runflow.yaml` with mistakes; they wait until it is corrected."""

OVERRIDE_NAME = "_runflow.yaml"
"""A file of this name sets input keys for the folder it lies in; it is never an image to send."""

NEARLY_OVERRIDE_NAMES = (
    *("_runflow.yml", "_runflow.yaml.txt", "_runflow.yml.txt", "_runflow.yaml.yaml", "_runflow.txt"),
    *("_Runflow.yaml", "_Runflow.yml", "_RUNFLOW.YAML", "_runflow.YAML"),
)
"""What people and their editors make of that name. Such a file is not read, so its folder waits."""

_CAMERA_RAW = (
    "*.3fr", "*.arw", "*.cr2", "*.cr3", "*.crw", "*.dcr", "*.dng", "*.erf", "*.fff", "*.gpr",
    "*.iiq", "*.kdc", "*.mef", "*.mos", "*.mrw", "*.nef", "*.nrw", "*.orf", "*.pef", "*.ptx",
    "*.raf", "*.raw", "*.rw2", "*.rwl", "*.sr2", "*.srf", "*.srw", "*.x3f",
)  # fmt: skip

DROPPINGS: Mapping[str, str] = {
    ".*": "hidden files and folders",
    "._*": "macOS resource forks",
    "*~": "editor backups",
    "#*#": "editor autosaves",
    "*.swp": "editor swap files",
    "*.part": "unfinished downloads and copies",
    "*.partial": "unfinished downloads and copies",
    "*.filepart": "unfinished WinSCP transfers",
    "*.aria2": "unfinished aria2 downloads",
    "*.crdownload": "unfinished Chrome downloads",
    "*.download": "unfinished Safari downloads",
    "*.tmp": "temporary files",
    "*.temp": "temporary files",
    "~$*": "Office lock files",
    "*.lock": "lock files",
    "@eaDir": "Synology thumbnails",
    "@tmp": "Synology temporary files",
    "#recycle": "Synology recycle bin",
    "#snapshot": "Synology snapshots",
    "@Recycle": "QNAP recycle bin",
    "@Recently-Snapshot": "QNAP snapshots",
    ".snapshot": "NetApp snapshots",
    "~snapshot": "NetApp snapshots",
    ".snapshots": "snapper snapshots",
    ".zfs": "ZFS snapshots",
    "$RECYCLE.BIN": "Windows recycle bin",
    "Recycler": "Windows recycle bin",
    "System Volume Information": "Windows system folder",
    "DfsrPrivate": "Windows replication folder",
    "Network Trash Folder": "macOS recycle bin",
    "Temporary Items": "macOS temporary files",
    ".AppleDouble": "macOS resource forks",
    "__MACOSX": "macOS resource forks, unpacked from an archive",
    "lost+found": "file-system repair folder",
    "Thumbs.db": "Windows thumbnails",
    "ehthumbs.db": "Windows thumbnails",
    "desktop.ini": "Windows folder settings",
    ".stfolder": "Syncthing marker",
    ".stversions": "Syncthing old versions",
    ".sync": "Resilio marker",
    "*.sb-*": "macOS safe-save folders",
    "*.xmp": "settings kept beside a photo",
    "*.aae": "settings kept beside a photo",
    "*.pp3": "settings kept beside a photo",
    "*.dop": "settings kept beside a photo",
    "*.thm": "previews kept beside a video",
    "*.lrv": "previews kept beside a video",
    **dict.fromkeys(_CAMERA_RAW, "camera raw, which no model takes"),
}
"""What is left out unless a pattern of the rule spells it out, with the reason in words."""
