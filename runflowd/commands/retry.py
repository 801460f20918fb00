"""`runflowd retry`: another try for files that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.command_client import ask
from runflowd.commands.exit_codes import Exit
from runflowd.commands.formatting import print_lines
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.commands.shell_complete import rule_names

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--rule", shell_complete=rule_names, help="Only files of this rule.")
@click.option("--all", "everything", is_flag=True, help="Every failed file; else name patterns.")
@click.option("--buy-again", is_flag=True, help="Also what may have been bought already; it is then paid for twice.")
@click.argument("patterns", nargs=-1)
def command(
    place: Path | None, rule: str | None, patterns: tuple[str, ...], *, everything: bool, buy_again: bool, as_json: bool
) -> int:
    """Give failed files another try, by PATTERNS over their path below the watched folder, or --all.

    A file that was skipped because it is a result (OWN_RESULT) is taken if it is named, never with --all.
    Files whose purchase is in doubt are fetched or asked for again where that costs nothing; they, and
    those that were charged though they failed, are bought again with --buy-again only.
    """
    if not patterns and not everything:
        raise click.UsageError("name the files, for example 'shoes/*', or say --all")
    done = ask(place, "retry", rule=rule, patterns=patterns, buy_again=buy_again)["items"]
    if as_json:
        echo_json([{name: item[name] for name in ("rule", "path", "what")} for item in done])
    else:
        print_lines(table(["rule", "file", "what"], [[item["rule"], item["path"], item["words"]] for item in done]))
    return Exit.SOME_FAILED if any(item["what"] in {"charged", "refused"} for item in done) else Exit.DONE
