"""Numbers and sentences as commands show them: made of text alone, for commands that must be quick."""

from __future__ import annotations

import re
import shlex
import sys
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

import click

from runflowd.commands.wrapping import terminal_width, wrapped
from runflowd.core.currency import USD, amount_text
from runflowd.core.printable import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_REASON_LENGTH = 300
"""Letters of one file's reason where many files are listed."""


def money(amount: Decimal | None, currency: str = USD) -> str:
    """An amount with at least two and at most four digits after the point, and its currency; nothing for None."""
    if amount is None:
        return ""
    exact = amount.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    cents = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return amount_text(cents if exact == cents else exact.normalize(), currency)


def price(cost: Decimal | None, hosted: Decimal | None, currency: str = USD) -> str:
    """What was paid; and of what this machine did at no cost, what the hosted service would have taken in dollars."""
    paid = money(cost, currency) if cost or not hosted else ""
    return ", and ".join(part for part in (paid, f"hosted, about {money(hosted)}" if hosted else "") if part)


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min`, `2 h 5 min`; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def reason_of(reason: str, path: str) -> str:
    """Why the file at `path` is where it is; of a long reason a part, and where all of it is."""
    short = shortened(reason, MAX_REASON_LENGTH)
    return short if short == reason else f"{short} (all of it: `runflowd logs {shlex.quote(path)}`)"


def advice(subject: str, message: str, remedy: str) -> str:
    """What is wrong with what, and on a line of its own what to do about it."""
    said = quoted(f"{printable(message)}\n    -> {printable(remedy)}")
    return f"{click.style(f'  {printable(subject)}', bold=True)}: {said}"


def wait_for_review(count: int) -> str:
    """How many results wait for a verdict, in words."""
    return f"{count:,} {'waits' if count == 1 else 'wait'} for review"


QUOTED = re.compile(r"(?<![^\s(])`([^`\n]+)`(?![^\s).,;:!?])")
"""A command or a setting within a sentence; one that stands within a word is part of a name."""


def say(text: str, *, err: bool = False) -> None:
    """Print a sentence of ours, broken to fit the terminal; what it quotes is `quoted` there."""
    click.echo(wrapped(quoted(text, err=err), terminal_width(err=err)), err=err)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are, of tables and of sentences; those that do not fit the terminal are broken."""
    width = terminal_width()
    for line in lines:
        click.echo(wrapped(line, width))


def quoted(text: str, *, err: bool = False) -> str:
    """A sentence in which, on a terminal, what is quoted is underlined: it is to be typed without the backticks."""
    stream = sys.stderr if err else sys.stdout
    return QUOTED.sub("\x1b[4m\\1\x1b[24m", text) if stream.isatty() else text
