"""`runflowd reject`: results that are rejected."""

from __future__ import annotations

import click

from runflowd.commands.judging import Asked, judge, judging_options


@click.command()
@judging_options
def command(asked: Asked) -> None:
    """Reject the results of PATHS, or --all that wait for review: they move to `rejected` in the output folder.

    PATHS are below the watched folder, where patterns such as 'shoes/*' are understood, or lead to a source or a
    result. The source stays, whatever `after` says; a result that somebody edited stays where it is, which is said. A
    verdict holds for all files with the same result. With --undo the result goes back to where it was, and waits
    again.
    """
    judge(asked, "reject")
