"""`runflowd systemd`: the unit files, and what their sandbox must allow for the rules there are."""

from __future__ import annotations

import os
import shlex
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, find_config
from runflowd.config import load
from runflowd.config.sandbox import HIDDEN, written_folders
from runflowd.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable


SHIPPED_PROGRAM = "/opt/runflowd/bin/runflowd"
"""What ExecStart= names in the files as they are shipped."""

SYSTEM_FILES = {
    "runflowd.service": "etc/systemd/system/runflowd.service",
    "runflowd.socket": "etc/systemd/system/runflowd.socket",
    "runflowd-backup.service": "etc/systemd/system/runflowd-backup.service",
    "runflowd-backup.timer": "etc/systemd/system/runflowd-backup.timer",
    "runflowd.sysusers.conf": "etc/sysusers.d/runflowd.conf",
    "runflowd.tmpfiles.conf": "etc/tmpfiles.d/runflowd.conf",
}
"""Each shipped file and its place below the root of the file system."""

USER_FILE = "user/runflowd.service"

_SYSTEM_STEPS = """\
Next:
  systemd-sysusers && systemd-tmpfiles --create runflowd.conf
  {program} init --system    # or --system --hosted; it says how to go on
Folders outside /srv/runflow: see `runflowd systemd drop-in --help`."""

_USER_STEPS = """\
Next:
  mkdir -p ~/.config/runflowd
  {program} init ~/.config/runflowd/runflowd.yaml    # or with --hosted; it says how to go on
  systemctl --user daemon-reload && systemctl --user enable --now runflowd.service"""


@click.group()
def command() -> None:
    """Run as a service: the unit files, and the folders that their sandbox must allow."""


@command.command()
@click.option("--user", is_flag=True, help="For this user's own service manager instead of the machine's.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Place the files below this folder, for images and packages.",
)
@click.option("--program", help="The runflowd that the service runs; the one beside this Python by default.")
def install(root: Path, program: str | None, *, user: bool) -> None:
    """Place the unit files, as they belong to this version. Nothing is started or enabled.

    Files of an earlier version are replaced; what differs on this machine belongs in a drop-in, which stays.
    """
    program = os.path.abspath(program or Path(sys.executable).parent / "runflowd")  # noqa: PTH100  links are kept
    _check_program(program, user=user)
    for source, target in _places(root, user=user):
        _place(_shipped(source).replace(SHIPPED_PROGRAM, _quoted(program)), target)
        say(f"Placed {printable(str(target))}")
    say((_USER_STEPS if user else _SYSTEM_STEPS).format(program=shlex.quote(program)))


@command.command("drop-in")
@config_option
def drop_in(place: Path | None) -> None:
    """Print the drop-in that lets the service write to the folders in the rules.

    Keep it as /etc/systemd/system/runflowd.service.d/folders.conf, then `systemctl daemon-reload` and
    `systemctl restart runflowd`: a sandbox is made at the start of a service, a reload does not widen it.
    """
    config = load(find_config(place))
    click.echo("# The folders in the rules; printed by `runflowd systemd drop-in`.\n[Service]")
    for path in sorted({*written_folders(config)}):
        click.echo(f"ReadWritePaths={_quoted(f'-{path}')}")
        if f"{path}/".startswith(HIDDEN):
            relaxed = "PrivateTmp=no" if "tmp/" in path[:9] else f"ProtectHome=tmpfs and BindPaths={path}"
            say(f"{path} is hidden from the service; it also needs {relaxed}.", err=True)


def _check_program(program: str, *, user: bool) -> None:
    if any(ord(char) < 32 or char == "\x7f" for char in program):
        raise CommandError(f"{printable(program)} cannot stand in a unit file. Name another place with --program.")
    if not user and program.startswith(HIDDEN):
        raise CommandError(
            f"{program} is in a folder that the service does not see. Install runflowd under /opt, and name that "
            "with --program; or use --user.",
            Exit.CONFIGURATION,
        )


def _places(root: Path, *, user: bool) -> Iterator[tuple[str, Path]]:
    """Each shipped file, and where it goes."""
    if user:
        home = os.environ.get("XDG_CONFIG_HOME") or Path(os.environ.get("HOME", "/"), ".config")
        folder = Path(home, "systemd", "user")
        yield USER_FILE, root / folder.relative_to(folder.anchor) / "runflowd.service"
        return
    for source, target in SYSTEM_FILES.items():
        yield source, root / target


def _shipped(name: str) -> str:
    """One of the files; in a checkout they are beside the package, in a wheel inside it."""
    package = resources.files("runflowd")
    inside: Traversable = package / "systemd_units"
    folder = inside if inside.is_dir() else Path(str(package)).parent / "systemd"
    return (folder / name).read_text("utf-8")


def _place(text: str, target: Path) -> None:
    """Write a file that everyone may read, in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    draft.write_text(text, "utf-8")
    draft.chmod(0o644)
    draft.replace(target)


def _quoted(path: str) -> str:
    """A path as unit files take it: systemd.syntax(7) for quotes, systemd.unit(5) for `%`."""
    if any(ord(char) < 32 or char == "\x7f" for char in path):
        raise CommandError(f"{printable(path)} has a control character, which a unit file cannot hold. Rename it.")
    escaped = path.replace("%", "%%")
    if not any(char in escaped for char in " \t'\"\\"):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'
