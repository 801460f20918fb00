"""Real limits of the kernel's file events, a real overflow, and disks that come, go and cover each other."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from daemon_process import Installation, picture, promised, sha256, until

if TYPE_CHECKING:
    from kernel_namespace import Namespace

SYNC = (sys.executable, "-m", "runflowd", "sync", "-c")


def drop(installation: Installation, *paths: str) -> dict[str, bytes]:
    """Put a picture at each path below the watched folder."""
    dropped = {path: picture() for path in paths}
    for path, data in dropped.items():
        installation.write(path, data)
    return dropped


def hear(installation: Installation, kind: str) -> None:
    """Wait until the log names this trouble of the watcher."""
    with installation.explained():
        until(lambda: f'"kind": "{kind}"' in installation.log.read_text(), kind)


def test_an_overflow_of_the_kernels_queue_is_made_up_for(installation: Installation) -> None:
    """Events are lost while the daemon stands still; it looks at everything instead (scenario 27)."""
    installation.configure(rescan="1h")
    first = drop(installation, "first.jpg")
    daemon = installation.start()
    installation.wait("done", *first)
    daemon.process.send_signal(signal.SIGSTOP)
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    noise = installation.input / ".noise"
    for number in range(most):  # two events each, never two alike in a row, which the kernel would take for one
        (noise.with_suffix(f".{number % 2}")).touch()
        (noise.with_suffix(f".{number % 2}")).unlink()
    lost = drop(installation, "lost.jpg", "folder/lost.jpg")
    daemon.process.send_signal(signal.SIGCONT)
    hear(installation, "overflow")
    installation.wait("done", *lost)

    installation.wait_for_rest(*first, *lost)
    assert promised({**first, **lost}) == installation.books()


def test_folders_beyond_the_limit_of_watches_are_rescanned(installation: Installation, namespace: Namespace) -> None:
    """The remedy is told with its number, and what has no watch is found all the same (scenario 28)."""
    namespace.limit("max_inotify_watches", 12)
    installation.enter = namespace.enter
    installation.configure(rescan="1s")
    for number in range(30):
        (installation.input / f"{number:02}").mkdir()
    installation.start()
    hear(installation, "watch-limit")
    dropped = drop(installation, *(f"{number:02}/a.jpg" for number in (0, 15, 29)))
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()
    assert "hold 31 directories" in installation.log.read_text()


def test_without_any_watcher_everything_is_rescanned(installation: Installation, namespace: Namespace) -> None:
    """No inotify instance is granted at all; the daemon says so and works (scenario 29)."""
    namespace.limit("max_inotify_instances", 0)
    installation.enter = namespace.enter
    installation.configure(rescan="1s")
    installation.start()
    hear(installation, "instance-limit")
    dropped = drop(installation, "a.jpg", "deep/b.jpg")
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


def test_a_disk_that_goes_and_comes_back_is_no_deletion(installation: Installation, namespace: Namespace) -> None:
    """Covered by an empty disk while the daemon runs, scanned then by the next life, uncovered (scenarios 32, 33)."""
    installation.enter = namespace.enter
    installation.configure(on_delete="remove", rescan="1s")
    folder, installation.input = installation.input, namespace.mount(installation.input)
    dropped = drop(installation, "a.jpg", "deep/b.jpg")
    daemon = installation.start()
    installation.wait_for_rest(*dropped)
    namespace.mount(folder)
    hear(installation, "root-replaced")
    daemon.kill()
    once = " ".join(("RUNFLOW_API_KEY=rf_live_test", *SYNC, str(installation.config)))
    namespace.run("sh", "-c", f"{once}; test $? = 3")  # rescans once, says what is wrong, and ends
    namespace.unmount(folder)
    installation.start()
    late = drop(installation, "late.jpg")
    installation.wait_for_rest(*late)

    assert ([], promised({**dropped, **late})) == (absent(installation), installation.books())


def test_a_mount_point_with_files_of_its_own_is_another_folder(
    installation: Installation, namespace: Namespace
) -> None:
    """Bare while the daemon runs and at its next start; covered by another disk; accepted at last (scenario 135)."""
    installation.enter = namespace.enter
    installation.configure(on_delete="remove", rescan="1s")
    point = installation.input
    installation.write("stray.jpg", stray := picture())
    installation.input = namespace.mount(point)
    dropped = drop(installation, "a.jpg", "deep/b.jpg")
    daemon = installation.start()
    installation.wait_for_rest(*dropped)
    namespace.unmount(point)
    with installation.explained():
        until(lambda: installation.incidents() == {"WATCH_CHANGED"}, "the bare mount point")
    daemon.kill()
    daemon = installation.start()
    with installation.explained():
        until(lambda: installation.incidents() == {"WATCH_CHANGED"}, "at the next start")
    installation.input = namespace.mount(point)
    installation.write("c.jpg", other := picture())
    assert ([], promised(dropped)) == (absent(installation), installation.books())
    # Another disk is no more the old one than the bare mount point is: only a person can say so.
    disk = installation.input.stat()
    with installation.explained():
        until(lambda: strange(installation) == (disk.st_dev, disk.st_ino), "the other disk is met")
    command = (sys.executable, "-m", "runflowd", "resume", "one", "--accept-folder", "-c", str(installation.config))
    namespace.run(*command)
    installation.wait("done", "c.jpg")
    daemon.kill()

    assert [0, 1] == [installation.bought().get(sha256(data), 0) for data in (stray, other)]


def test_a_disk_that_is_mounted_below_the_folder_keeps_its_files_when_it_goes(
    installation: Installation, namespace: Namespace
) -> None:
    """A disk, and a folder that is bound there; the rest of the folder goes on (scenario 135)."""
    installation.enter = namespace.enter
    installation.configure(on_delete="remove", rescan="1s")
    folder = installation.input
    installation.input = namespace.mount(folder)
    bound = installation.folder / "bound"
    bound.mkdir()
    (bound / "b.jpg").write_bytes(first := picture())
    namespace.run("mkdir", str(folder / "disk"), str(folder / "bound"))
    namespace.run("mount", "-t", "tmpfs", "none", str(folder / "disk"))
    namespace.run("mount", "--bind", str(bound), str(folder / "bound"))
    dropped = {**drop(installation, "disk/a.jpg", "c.jpg"), "bound/b.jpg": first}
    installation.start()
    installation.wait_for_rest(*dropped)
    namespace.unmount(folder / "disk")
    namespace.unmount(folder / "bound")
    with installation.explained():
        until(lambda: installation.incidents() == {"WATCH_CHANGED"}, "two disks are away")
    late = drop(installation, "late.jpg")
    installation.write("disk/stray.jpg", picture())
    installation.wait_for_rest(*dropped, *late)

    assert ([], promised({**dropped, **late})) == (absent(installation), installation.books())


def absent(installation: Installation) -> list[str]:
    """The files that count as deleted."""
    return [row["basename"] for row in installation.rows("SELECT basename FROM item WHERE absent_at IS NOT NULL")]


def strange(installation: Installation) -> tuple[int, int]:
    """Device and inode of the folder that is met in the place of the watched one."""
    (row,) = installation.rows("SELECT value FROM kv WHERE key LIKE 'root:%'")
    met = json.loads(row["value"])["strange"][""]
    return met["device"], met["inode"]
