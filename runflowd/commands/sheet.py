"""`runflowd sheet`: the latest results of a rule beside the files that they were made from, as one page."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, find_config
from runflowd.commands.shell_complete import rule_names
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.core.naming import EXTENSIONS
from runflowd.core.printable import printable
from runflowd.core.suggestion import unknown_name
from runflowd.decoder.previewing import draw, draws
from runflowd.demo.contact_page import contact_page
from runflowd.demo.shots import asked
from runflowd.files import FileError, open_source
from runflowd.store import reading
from runflowd.store.browsing import Sought, older
from runflowd.store.outputs import outputs_of
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.config import Config
    from runflowd.core.model import Rule

SIDE = 520
"""Pixels of the longer side of a picture: sharp on dense screens."""

AT_ONCE = 16
"""Files that one child process is given: one that it fails over costs those behind it their pictures."""

_MIME_OF = {extension: mime for mime, extension in EXTENSIONS.items()}


class _Side(NamedTuple):
    """A file of the sheet: what it is called, where it is, and its MIME type."""

    shown: str
    root: str
    relative: str
    mime: str


@click.command()
@config_option
@click.argument("rule", shell_complete=rule_names)
@click.option("--limit", type=click.IntRange(1, 1000), default=60, show_default=True, help="The most files shown.")
@click.option("--into", type=click.Path(path_type=Path, dir_okay=False), help="The page; sheet-RULE.html by default.")
def command(place: Path | None, rule: str, limit: int, into: Path | None) -> int:
    """Write a page of the latest results of RULE, each beside its file, with links to both.

    The page needs nothing else and can be sent to somebody; the links work on this machine. It is read by whoever
    may read the state file and the folders.
    """
    config = load(find_config(place))
    chosen = _rule(config, rule)
    pairs = _pairs(config, chosen, limit)
    if not pairs:
        raise CommandError(f"rule {chosen.name} has no results yet; `runflowd list --state done` shows who has.")
    pictures = anyio.run(_pictures, [side for _, *sides in pairs for side in sides])
    figures = [
        {"file": printable(path), "asked": printable(asked(chosen, path)), "sides": [
            _figure(side, when, pictures) for side, when in ((before, "before"), (after, "after"))
        ]}
        for path, before, after in pairs
    ]  # fmt: skip
    title = f"{chosen.name}: files, and what came out"
    subtitle = f"The latest {len(pairs)}, {datetime.now().astimezone():%Y-%m-%d %H:%M}"
    page = contact_page([{"rule": chosen.name, "model": chosen.model, "figures": figures}], title, subtitle)
    target = into or Path(f"sheet-{chosen.name}.html")
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(page)
    except FileExistsError:
        raise CommandError(f"{target} is there already and was left as it is. Name another file with --into.") from None
    say(f"Wrote {printable(str(target))}: {len(pairs)} files of rule {chosen.name}.")
    return Exit.DONE


def _rule(config: Config, name: str) -> Rule:
    found = config.rule(name)
    if found is None:
        raise CommandError(unknown_name("rule", name, [each.name for each in config.rules]), Exit.USAGE)
    return found


def _pairs(config: Config, rule: Rule, limit: int) -> list[tuple[str, _Side, _Side]]:
    """The latest files that have a result: path, file and first result."""
    found = []
    with reading(state_place(config)) as connection:
        for item in older(connection, Sought(rule.name, (ItemState.DONE,)), None, limit).items:
            before = _Side(item.path, rule.watch, item.path, item.mime)
            for output in outputs_of(connection, item.id)[:1]:
                root, relative = output.path.root, output.path.relative
                mime = _MIME_OF.get(relative.rpartition(".")[2], "")
                found.append((item.path, before, _Side(relative, root, relative, mime)))
    return found


async def _pictures(sides: Sequence[_Side]) -> dict[_Side, str]:
    """What stands for each file that can be drawn: a small picture, made in a process apart, as a `data:` URL."""
    drawn = [side for side in dict.fromkeys(sides) if draws(side.mime)]
    found = {}
    for first in range(0, len(drawn), AT_ONCE):
        with ExitStack() as stack:
            opened = {}
            for side in drawn[first : first + AT_ONCE]:
                try:
                    opened[side] = stack.enter_context(open_source(side.root, side.relative)).descriptor
                except FileError:
                    continue  # gone, or not ours to read: the sheet shows its name
            made = await draw([(number, side.mime) for side, number in opened.items()], (SIDE,))
        for side, parts in zip(opened, made, strict=True):
            if parts:
                found[side] = f"data:image/webp;base64,{base64.b64encode(parts[0]).decode()}"
    return found


def _figure(side: _Side, when: str, pictures: dict[_Side, str]) -> dict[str, Any]:
    link = Path(side.root, side.relative).absolute().as_uri()
    if side in pictures:
        return {"when": when, "kind": "image", "url": pictures[side], "link": link}
    return {"when": when, "kind": "text", "text": printable(side.shown), "link": link}
