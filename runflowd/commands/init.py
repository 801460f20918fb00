"""`runflowd init`: a commented configuration to start from, and what to do until it works."""

from __future__ import annotations

import shlex
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import FILE_NAME
from runflowd.commands.readiness import lacks_libraries, lacks_weights
from runflowd.system.installing import called, install_command

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM_TARGET = Path("/etc/runflowd", FILE_NAME)

MODELS = ("runflow/background-replace",)
"""What the starter's rule uses."""

_FOR_THE_SERVICE = {
    "state: state/runflowd.db": "state: /var/lib/runflowd/state.db",
    "    watch: in\n    output: out\n": "    watch: /srv/runflow/in\n    output: /srv/runflow/out\n",
    "  api_key_file: api-key\n": "  # systemd hands over the API key that lies in /etc/runflowd/credentials/api-key.\n",
}
"""Where the unit of the service lets it write, in place of folders beside the file."""

_PAGE = "# web: {listen"


@click.command()
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("--local", "kind", flag_value="local", default=True, help="Work on this machine, no account (default).")
@click.option("--hosted", "kind", flag_value="hosted", help="Work with the hosted Runflow service.")
@click.option("--page", is_flag=True, help="With the status page, for this machine alone.")
@click.option("--system", is_flag=True, help=f"For the service of this machine: {SYSTEM_TARGET}, /srv/runflow.")
def command(target: Path | None, kind: str, *, page: bool, system: bool) -> int:
    """Write a commented configuration to TARGET (./runflowd.yaml), make the folder it watches, and say what is next.

    A file that is there is never overwritten.
    """
    target = target or (SYSTEM_TARGET if system else Path(FILE_NAME))
    target = target / FILE_NAME if target.is_dir() else target
    text = (resources.files("runflowd.commands") / "starter" / f"{kind}.yaml").read_text("utf-8")
    for ours, of_service in _FOR_THE_SERVICE.items() if system else ():
        text = text.replace(ours, of_service)
    text = text.replace(_PAGE, _PAGE.removeprefix("# ")) if page else text
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(
            f"{target} is there already and was left as it is. `runflowd check -c {shlex.quote(str(target))}` says "
            "what it means, and `runflowd init FILE` writes another one."
        ) from None
    if not system:
        (target.parent / "in").mkdir(exist_ok=True)
    say(f"Wrote {target}. Next:")
    for step in _steps(target, kind, page=page, system=system):
        say(f"  {step}")
    return Exit.DONE


def _steps(target: Path, kind: str, *, page: bool, system: bool) -> Iterator[str]:
    """What is to be done until files go through, as commands that work as they stand."""
    program, python = called(Path(sys.executable).with_name("runflowd")), called(Path(sys.executable))
    place = "/etc/runflowd" if target == SYSTEM_TARGET else shlex.quote(str(target))
    named = "" if target == Path(FILE_NAME) else f" -c {place}"
    if kind == "hosted":
        key = Path("/etc/runflowd/credentials/api-key") if system else target.parent / "api-key"
        yield f"(umask 077; cat > {shlex.quote(str(key))})    # paste the API key, then Enter and Ctrl-D"
    else:
        if lacks_libraries(MODELS):
            yield install_command("local")
        if system or lacks_weights():
            yield f"{'sudo -u runflowd -H ' if system else ''}{python} -m runflowd.local.weights"
    yield f"{program} check{named}    # what it means"
    if system:
        yield "systemctl daemon-reload && systemctl enable --now runflowd.service"
        yield "# files go into /srv/runflow/in, results appear in /srv/runflow/out"
    else:
        folder = target.parent
        yield f"{program} run{named}    # files go into {folder / 'in'}, results appear in {folder / 'out'}"
    if page:
        yield "# the page is at http://127.0.0.1:8787"
