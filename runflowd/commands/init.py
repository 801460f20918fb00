"""`runflowd init`: a commented configuration to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import FILE_NAME


@click.command()
@click.argument("target", type=click.Path(path_type=Path), default=FILE_NAME)
@click.option("--local", "kind", flag_value="local", default=True, help="Work on this machine, no account (default).")
@click.option("--hosted", "kind", flag_value="hosted", help="Work with the hosted Runflow service.")
def command(target: Path, kind: str) -> int:
    """Write a commented configuration to TARGET (./runflowd.yaml) and make the folder it watches.

    A file that is there is never overwritten.
    """
    target = target / FILE_NAME if target.is_dir() else target
    text = (resources.files("runflowd.commands") / "starter" / f"{kind}.yaml").read_text("utf-8")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(f"{target} is there already and was left as it is. Name another file.") from None
    watched = target.parent / "in"
    watched.mkdir(exist_ok=True)
    name = "" if target == Path(FILE_NAME) else f" -c {target}"
    say(f"Wrote {target}. Files dropped into {watched} are processed by `runflowd run{name}`.")
    say(f"What it means: `runflowd check{name}`.")
    return Exit.DONE
