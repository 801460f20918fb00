"""File-system types come from the kernel's own list."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runflowd.core.model import Rule, WatchMode
from runflowd.core.turns import Events
from runflowd.pipeline.intake.watched_rule import WatchedRule
from runflowd.pipeline.io_guard import FolderIo
from runflowd.system import mounts
from runflowd.system.mounts import InotifyLimits, Mount

if TYPE_CHECKING:
    from pathlib import Path

MOUNTINFO = r"""22 28 0:20 / /proc rw,nosuid shared:13 - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 28 0:50 / /mnt/my\040share rw,relatime - cifs //nas/share rw
91 28 0:51 / /mnt/nfs rw shared:9 master:2 - nfs4 nas:/ rw
92 91 8:2 / /mnt/nfs/local rw - xfs /dev/sdb rw
93 28 0:52 / /mnt/over rw - ext4 /dev/sdc rw
94 93 0:53 / /mnt/over rw - fuse.sshfs host:/ rw
a line that is none
"""


@pytest.fixture
def among(tmp_path: Path) -> tuple[Mount, ...]:
    """A machine with shares."""
    (tmp_path / "mountinfo").write_text(MOUNTINFO, encoding="ascii")
    return mounts.mounts(str(tmp_path / "mountinfo"))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x", "ext4"),
        ("/mnt/my share/in", "cifs"),
        ("/mnt/my shares", "ext4"),
        ("/mnt/nfs", "nfs4"),
        ("/mnt/nfs/local/in", "xfs"),
        ("/mnt/over/in", "fuse.sshfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(among: tuple[Mount, ...], path: str, kind: str) -> None:
    """Mounts nest, cover one another, and have names with spaces."""
    assert kind == mounts.file_system_of(path, among)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.rclone")),
        *((kind, False) for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk", "")),
    ],
)
def test_silent_file_systems_need_rescans(kind: str, expected: bool) -> None:
    """Changes made elsewhere never become events there (scenarios 34 and 35)."""
    assert expected == mounts.needs_rescan("/x", (Mount("/", kind),))


@pytest.mark.parametrize(
    ("kind", "mode", "expected"),
    [
        *((kind, WatchMode.AUTO, (False, 10.0)) for kind in ("nfs4", "smb3", "9p", "virtiofs", "fuse.grpcfuse")),
        ("ext4", WatchMode.AUTO, (True, 300.0)),
        ("ext4", WatchMode.RESCAN, (False, 10.0)),
        ("nfs4", WatchMode.EVENTS, (True, 300.0)),
    ],
)
def test_a_rule_over_a_silent_file_system_is_rescanned_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, kind: str, mode: WatchMode, expected: tuple[bool, float]
) -> None:
    """Shares, and what WSL and desktop containers bind; the rule's own word counts more (scenarios 34, 35)."""
    monkeypatch.setattr(mounts, "mounts", lambda: (Mount("/", kind),))
    rule = Rule(name="r", watch="/in", output="/out", model="a/b", input={}, mode=mode, rescan=300.0)
    watched = WatchedRule.of(rule, FolderIo())
    by_events = mounts.follows_events(rule)
    watched.turn = replace(watched.turn, events=Events.COMING if by_events else Events.ABSENT)

    assert expected == (by_events, watched.interval)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs"])
def test_state_files_are_not_safe_where_others_write(kind: str) -> None:
    """Locks of one machine are not seen by the next (scenario 68)."""
    assert (True, False) == (mounts.shared_with_others(kind), mounts.shared_with_others("ext4"))


def test_the_running_kernel_is_understood() -> None:
    """The real list names a real type."""
    assert "proc" == mounts.file_system_of("/proc/self")


def test_an_unreadable_list_is_no_error() -> None:
    """Unknown is an answer, and means events."""
    assert ((), "") == (mounts.mounts("/nonexistent"), mounts.file_system_of("/x", ()))


def test_hidden_limits_are_unknown(tmp_path: Path) -> None:
    """`ProcSubset=pid` hides /proc/sys; that must not be taken for zero."""
    assert InotifyLimits(None, None, None) == mounts.inotify_limits(str(tmp_path))


def test_limits_are_read(tmp_path: Path) -> None:
    """Each from its own file."""
    for name, number in (("max_user_watches", 1), ("max_user_instances", 2), ("max_queued_events", 3)):
        (tmp_path / name).write_text(f"{number}\n", encoding="ascii")

    assert InotifyLimits(1, 2, 3) == mounts.inotify_limits(str(tmp_path))


def test_an_ordinary_machine_has_watches_left() -> None:
    """The probe itself works; test_watch has the case where none are left."""
    assert not mounts.watches_used_up()
