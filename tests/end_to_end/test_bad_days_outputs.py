"""Real disks under the output folder that are full, nearly full, or take no writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from daemon_process import Installation, picture, promised, sha256, until
from kernel_namespace import filled

if TYPE_CHECKING:
    from kernel_namespace import Namespace


@pytest.fixture
def cramped(installation: Installation, namespace: Namespace) -> Installation:
    """An installation whose output folder is a disk of one megabyte, all of which may be used."""
    installation.enter = namespace.enter
    installation.configure_rules({"one": installation.rule()}, limits={"free_space": "0B"})
    installation.output = namespace.mount(installation.output, "1m")
    return installation


def drop(installation: Installation, count: int = 3) -> dict[str, bytes]:
    """Put some files into the watched folder."""
    dropped = {f"{number}.jpg": picture() for number in range(count)}
    for path, data in dropped.items():
        installation.write(path, data)
    return dropped


def test_a_full_disk_keeps_what_was_bought_until_there_is_room(cramped: Installation) -> None:
    """The results wait at the service under their ids; nothing half is seen, nothing bought again (scenario 55)."""
    free = filled(cramped.output)
    dropped = drop(cramped)
    cramped.start()
    with cramped.explained():
        until(lambda: "NO_SPACE" in cramped.incidents(), "the full disk is told")
    assert {".ballast"} == {path for path in cramped.outputs() if not path.startswith(".runflowd-")}  # its next try
    known = cramped.rows("SELECT 1 FROM item WHERE run_id IS NOT NULL")
    free()
    cramped.wait_for_rest(*dropped)

    assert (len(dropped), promised(dropped), set()) == (len(known), cramped.books(), cramped.incidents())


def test_a_kill_over_a_full_disk_loses_nothing(cramped: Installation) -> None:
    """The next life finds what was paid for, and fetches it when there is room (scenarios 55, 75)."""
    free = filled(cramped.output)
    dropped = drop(cramped)
    daemon = cramped.start()
    with cramped.explained():
        until(lambda: "NO_SPACE" in cramped.incidents(), "the full disk is told")
    daemon.kill()
    free()
    cramped.start()
    cramped.wait_for_rest(*dropped)

    assert (promised(dropped), set()) == (cramped.books(), cramped.incidents())


def test_nothing_is_bought_while_the_disk_is_low(cramped: Installation, namespace: Namespace) -> None:
    """The floor counts before the first purchase, and its end is noticed unasked (scenario 57)."""
    cramped.configure_rules({"one": cramped.rule()}, limits={"free_space": "2MiB"})
    dropped = drop(cramped)
    cramped.start()
    with cramped.explained():
        until(lambda: "NO_SPACE" in cramped.incidents(), "the low disk is told")
    assert {} == cramped.charged(*map(sha256, dropped.values()))
    namespace.remount(cramped.folder / "out", "size=8m")
    cramped.wait_for_rest(*dropped)
    until(lambda: not cramped.incidents(), "the end of the trouble is told")

    assert promised(dropped) == cramped.books()


def test_a_disk_that_turns_read_only_is_waited_for(cramped: Installation, namespace: Namespace) -> None:
    """As after an error of its file system; what comes meanwhile is kept, and bought once (scenario 56)."""
    first = drop(cramped, 1)
    cramped.start()
    cramped.wait_for_rest(*first)
    namespace.remount(cramped.folder / "out", "ro")
    cramped.write("late.jpg", late := picture())
    with cramped.explained():
        until(lambda: "OUTPUT_UNUSABLE" in cramped.incidents(), "the trouble is told")
    namespace.remount(cramped.folder / "out", "rw")
    cramped.wait_for_rest("late.jpg")
    until(lambda: not cramped.incidents(), "the end of the trouble is told")

    assert promised({**first, "late.jpg": late}) == cramped.books()


def test_nothing_is_written_where_the_disk_of_the_output_is_not_mounted(
    installation: Installation, namespace: Namespace
) -> None:
    """Its mount point would take the result, and hide it once the disk is back (scenario 163)."""
    installation.enter = namespace.enter
    installation.configure_rules({"one": installation.rule()}, limits={"free_space": "0B"})
    place, disk = installation.output, installation.folder / "disk"
    namespace.mount(disk)
    place.mkdir(parents=True, exist_ok=True)
    namespace.run("mount", "--bind", str(disk), str(place))
    installation.output = namespace.outside(place)
    first = drop(installation, 1)
    installation.start()
    installation.wait_for_rest(*first)
    namespace.unmount(place)
    installation.write("late.jpg", late := picture())
    with installation.explained():
        until(lambda: "OUTPUT_CHANGED" in installation.incidents(), "the missing disk is told")
    meanwhile = installation.outputs()
    namespace.run("mount", "--bind", str(disk), str(place))
    installation.wait_for_rest("late.jpg")
    until(lambda: not installation.incidents(), "the end of the trouble is told")

    assert set() == set(meanwhile)
    assert (promised({**first, "late.jpg": late}), 2) == (installation.books(), len(installation.outputs()))
