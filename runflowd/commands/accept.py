"""`runflowd accept`: results that are accepted."""

from __future__ import annotations

import click

from runflowd.commands.judging import Asked, judge, judging_options


@click.command()
@judging_options
def command(asked: Asked) -> None:
    """Accept the results of PATHS, or --all that wait for review: those that were held get their place.

    PATHS are below the watched folder, where patterns such as 'shoes/*' are understood, or lead to a source or a
    result. A verdict holds for all files with the same result. With --undo the result waits again; what was held
    before is hidden again, and what became of its source stays done.
    """
    judge(asked, "accept")
