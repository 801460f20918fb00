"""`runflowd demo`: the daemon at work on sample photos, from an empty folder to a sheet of results."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runflowd.commands.ended_files import entry_text, finished_table
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import duration, money, print_lines, say
from runflowd.commands.progress import Bars, Lines
from runflowd.commands.readiness import missing
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.demo.follow import follow, results, wait_until_ready
from runflowd.demo.process import daemon
from runflowd.demo.shots import shots
from runflowd.demo.workspace import EXTRA_PLAN, prepare, sample

if TYPE_CHECKING:
    from runflowd.config import Config
    from runflowd.demo.follow import Result
    from runflowd.demo.workspace import Workspace

TITLE = "runflowd: files dropped into folders, and what came out"


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; a new temporary folder by default.")
@click.option("--photos", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Photos of your own.")
def command(folder: Path | None, photos: Path | None) -> int:
    """Drop sample photos and a text into watched folders, let the daemon process them here, and show the results.

    Nothing leaves this machine and nothing is billed: the models run on the CPU.
    """
    models = {rule.name: rule.model for rule in load(sample() / "runflowd.yaml").rules}
    extra = {rule for rule, _, _ in EXTRA_PLAN}
    if lacking := missing(model for rule, model in models.items() if rule not in extra):
        raise CommandError(" ".join(lacking))
    left_out = {} if photos else {rule: lacking for rule in sorted(extra) if (lacking := missing([models[rule]]))}
    workspace = prepare(folder or Path(tempfile.mkdtemp(prefix="runflowd-demo-")), photos, left_out)
    config = load(workspace.config)
    for rule, sentences in left_out.items():
        say(click.style(f"Without {rule}: {' '.join(sentences)}", fg="yellow"))
    say(f"Working in {workspace.folder}")
    began = time.monotonic()
    found = _work(workspace, config)
    return _show(workspace, config, found, time.monotonic() - began)


def _work(workspace: Workspace, config: Config) -> tuple[Result, ...]:
    """Start the daemon, drop the photos, watch it work, stop it."""
    state = Path(config.state)
    expected = Counter(drop.rule for drop in workspace.drops)
    with daemon(workspace.config, workspace.folder / "daemon.log") as process:
        wait_until_ready(process, state)
        say(f"The daemon runs (process {process.pid}); {len(workspace.drops)} files go into its folders.")
        workspace.drop()
        with Bars({}, expected) if sys.stderr.isatty() else Lines({}) as shown:
            follow(process, state, len(workspace.drops), shown.show)
        code = process.stop()
    if code:
        raise CommandError(f"the daemon ended with code {code} after SIGTERM; its log: {workspace.folder}/daemon.log")
    say("The daemon was stopped with SIGTERM and ended cleanly.")
    return results(state)


def _show(workspace: Workspace, config: Config, found: tuple[Result, ...], seconds: float) -> int:
    entries = [result.entry for result in found]
    done = [entry for entry in entries if entry.state is ItemState.DONE]
    print_lines(["", *finished_table(done, {rule.name: rule.model for rule in config.rules})])
    failed = [entry for entry in entries if entry.state is not ItemState.DONE]
    print_lines(map(entry_text, failed))
    cost = money(sum((entry.hosted for entry in entries if entry.hosted), Decimal(0)))
    batches = len({entry.batch for entry in done if entry.batch})
    total = f"{len(done)} of {len(workspace.drops)} done in {duration(seconds)}, {batches} batches"
    say(click.style(f"\n{total}; hosted, this would have cost {cost}", bold=True))
    _draw(workspace, config, found, f"{total}. Nothing left this machine.")
    return Exit.SOME_FAILED if failed else Exit.DONE


def _draw(workspace: Workspace, config: Config, found: tuple[Result, ...], subtitle: str) -> None:
    # Pillow belongs to the extra `local`; without it `--help` and the sentence about what is missing must work.
    from runflowd.demo.page import draw_page  # noqa: PLC0415
    from runflowd.demo.sheet import draw_sheet, save_sheet  # noqa: PLC0415

    made = shots(config, workspace.drops, found)
    picture, page = workspace.folder / "contact-sheet.png", workspace.folder / "contact-sheet.html"
    save_sheet(draw_sheet(made, TITLE, subtitle), picture)
    page.write_text(draw_page(made, TITLE, subtitle), "utf-8")
    say(f"Before and after: {page}")
    say(f"As one picture:   {picture}")
    say(f"The results:      {workspace.folder / 'out'}")
