"""The unit files as systemd reads them, and the command that places them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runflowd.commands.exit_codes import Exit
from runflowd.commands.systemd import SHIPPED_PROGRAM

if TYPE_CHECKING:
    from command_line import Desk

SHIPPED = Path(__file__).resolve().parents[2] / "systemd"
PROGRAM = shutil.which("true") or "/bin/true"

ACCEPTED = {
    "RootDirectory=/RootImage=": "it reads certificates and the resolver's settings",
    "RestrictAddressFamilies=~AF_(INET|INET6)": "it calls the service",
    "RestrictAddressFamilies=~AF_UNIX": "it notifies systemd",
    "PrivateNetwork=": "it calls the service",
    "PrivateUsers=": "owners of files must be seen as they are",
    "IPAddressDeny=": "the service's addresses are not known beforehand",
    "DeviceAllow=": "the usual pseudo devices, such as /dev/urandom",
    "SupplementaryGroups=": "operators may use the control socket, and nobody else in their name",
    "SystemCallFilter=~@privileged": "the control socket is given to the operators; without capabilities to no other",
    "UMask=": "the group may change results",
}
"""What `systemd-analyze security` finds exposed, and why it has to be."""


@pytest.fixture
def placed(desk: Desk) -> Path:
    """A root that the files were placed below, with a program that is there: `verify` asks for it."""
    said = desk.call("systemd", "install", "--root", str(desk.folder / "root"), "--program", PROGRAM)
    assert 0 == said.code, said.err
    return desk.folder / "root"


def analyze(*arguments: str | Path, runtime: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze(1)."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    environment = {**os.environ, **({"XDG_RUNTIME_DIR": str(runtime)} if runtime else {})}
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_systemd_understands_every_line(placed: Path) -> None:
    """A line that it does not know is only a warning, so its output must be empty."""
    units = placed / "etc" / "systemd" / "system"
    done = analyze("verify", "--man=no", *sorted(units.iterdir()))

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_systemd_understands_every_line_for_users(desk: Desk, tmp_path: Path) -> None:
    """The same for the unit of a user's own manager."""
    said = desk.call("systemd", "install", "--user", "--program", PROGRAM)
    unit = tmp_path / "home" / ".config" / "systemd" / "user" / "runflowd.service"
    done = analyze("verify", "--user", "--man=no", unit, runtime=tmp_path)

    assert (0, 0, "") == (said.code, done.returncode, done.stdout + done.stderr)


def test_a_typo_would_be_found(placed: Path) -> None:
    """The test above is one that can fail."""
    unit = placed / "etc" / "systemd" / "system" / "runflowd.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectSytem="))

    assert "ProtectSytem" in analyze("verify", "--man=no", unit).stderr


def test_little_is_exposed(placed: Path) -> None:
    """At most 1.5 of 10."""
    unit = placed / "etc" / "systemd" / "system" / "runflowd.service"
    done = analyze("security", "--offline=true", "--threshold=15", "--no-pager", unit)

    assert 0 == done.returncode, done.stdout


def test_what_is_exposed_is_meant(placed: Path) -> None:
    """Nothing but what the daemon cannot do without."""
    unit = placed / "etc" / "systemd" / "system" / "runflowd.service"
    done = analyze("security", "--offline=true", "--json=short", "--no-pager", unit)
    exposed = {check["name"] for check in json.loads(done.stdout) if float(check["exposure"] or 0) > 0}

    assert set() == exposed - set(ACCEPTED)


def test_the_copy_does_not_fail_each_night_where_the_state_is_in_a_database(placed: Path) -> None:
    """Its code for that is known to the unit, whose log says what to do."""
    unit = placed / "etc" / "systemd" / "system" / "runflowd-backup.service"

    assert f"SuccessExitStatus={Exit.UNAVAILABLE:d}" in unit.read_text().splitlines()


def test_the_copy_talks_to_nobody(placed: Path) -> None:
    """It needs less than the daemon: at most 1.0 of 10."""
    unit = placed / "etc" / "systemd" / "system" / "runflowd-backup.service"
    done = analyze("security", "--offline=true", "--threshold=10", "--no-pager", unit)

    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize(
    ("tool", "options", "file"),
    [
        ("systemd-sysusers", ("--dry-run",), "etc/sysusers.d/runflowd.conf"),
        ("systemd-tmpfiles", ("--cat-config",), "etc/tmpfiles.d/runflowd.conf"),
    ],
)
def test_users_and_folders_are_understood(placed: Path, tool: str, options: tuple[str, ...], file: str) -> None:
    """Without doing any of it."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed here")
    done = subprocess.run([tool, *options, placed / file], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr


def test_what_is_placed_is_what_is_shipped(placed: Path) -> None:
    """Word for word, but for the program."""
    names = {
        "runflowd.service": "etc/systemd/system/runflowd.service",
        "runflowd.socket": "etc/systemd/system/runflowd.socket",
        "runflowd-backup.service": "etc/systemd/system/runflowd-backup.service",
        "runflowd-backup.timer": "etc/systemd/system/runflowd-backup.timer",
        "runflowd.sysusers.conf": "etc/sysusers.d/runflowd.conf",
        "runflowd.tmpfiles.conf": "etc/tmpfiles.d/runflowd.conf",
    }
    shipped = {name: (SHIPPED / name).read_text().replace(SHIPPED_PROGRAM, PROGRAM) for name in names}

    assert shipped == {name: (placed / target).read_text() for name, target in names.items()}


def test_a_file_of_before_is_replaced_and_drop_ins_stay(desk: Desk, placed: Path) -> None:
    """An upgrade is the same command again."""
    unit = placed / "etc" / "systemd" / "system" / "runflowd.service"
    drop_in = unit.with_name("runflowd.service.d") / "mine.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\n")
    unit.write_text("old")
    desk.call("systemd", "install", "--root", str(placed), "--program", "/opt/my tools/runflowd")

    assert 'ExecStart="/opt/my tools/runflowd" run' in unit.read_text().splitlines()
    assert "[Service]\n" == drop_in.read_text()


def test_a_program_that_the_service_would_not_see_is_refused(desk: Desk) -> None:
    """Said at once, instead of by `203/EXEC` at the start."""
    said = desk.call("systemd", "install", "--root", str(desk.folder), "--program", "/home/alice/bin/runflowd")

    assert (78, False) == (said.code, (desk.folder / "etc").exists())
    assert "Install runflowd under /opt" in said.err


def test_the_drop_in_names_every_folder(desk: Desk) -> None:
    """Watched, output and archive folders and that of the state file, in the quotes that systemd takes."""
    rule = {"watch": "/srv/a b", "output": '/srv/100%"', "after": {"move": "/srv/archive"}}
    desk.configure(rules={"one": desk.rule(**rule)})
    said = desk.call("systemd", "drop-in", "-c", str(desk.config))

    assert {
        'ReadWritePaths="-/srv/a b"',
        r'ReadWritePaths="-/srv/100%%\""',
        "ReadWritePaths=-/srv/archive",
        f"ReadWritePaths=-{desk.folder}",
    } == {*re.findall("^ReadWritePaths=.*$", said.out, re.MULTILINE)}


def test_hidden_folders_are_pointed_out(desk: Desk) -> None:
    """A folder of a home needs more than a line that lets the service write."""
    desk.configure(rules={"one": desk.rule(watch="/home/alice/in", output="/srv/out")})
    said = desk.call("systemd", "drop-in", "-c", str(desk.config))

    assert "/home/alice/in is hidden from the service; it also needs ProtectHome=tmpfs" in said.err
