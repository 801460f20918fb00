"""`runflowd man`: the manual pages, written from the program itself."""

from __future__ import annotations

from pathlib import Path

import click

from runflowd.commands.manual import pages


@click.command()
@click.argument("page", default="runflowd.1", type=click.Choice(["runflowd.1", "runflowd.yaml.5"]))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write every page below this folder, as man1/ and man5/; /usr/local/share/man is read by man(1).",
)
def command(page: str, folder: Path | None) -> None:
    """Print a manual PAGE (`runflowd man | man -l -`), or place all of them."""
    group = click.get_current_context().find_root().command
    assert isinstance(group, click.Group)
    found = pages(group)
    if folder is None:
        click.echo(found[page], nl=False)
        return
    for name, text in found.items():
        target = folder / f"man{name[-1]}" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
        click.echo(f"Placed {target}")
