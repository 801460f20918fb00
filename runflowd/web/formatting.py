"""Numbers as people read them on the page, and foreign text made fit to show."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from runflowd.core.currency import USD, amount_text
from runflowd.core.printable import excerpt

if TYPE_CHECKING:
    from datetime import tzinfo

MAX_LENGTH = 600
"""Characters of a reason or a name; the state file and `runflowd status --json` have the rest."""


def shown(text: str) -> str:
    """Foreign text on one line: no secrets, control characters as escapes, of bounded length."""
    return excerpt(text, MAX_LENGTH)


def breakable(name: str) -> Markup:
    """A name as HTML that a line may end in behind what sets its parts apart, as in `IMG_2026-11-29.jpg`."""
    return Markup("<wbr>").join(escape(part) for part in _PARTS.split(name) if part)


def with_commands(text: str) -> Markup:
    """Text as HTML, what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(parts)
    )


_PARTS = re.compile(r"(?<=[-_./ ])(?=[^-_./ ])")

_WORD = re.compile(r"[a-z]+(?=[\s:,]|\.?$)")


def sentence(text: str) -> str:
    """A text that begins as a sentence does, unless it begins with a name, a path or a value."""
    return text[:1].upper() + text[1:] if _WORD.match(text) else text


def plain_sentences(text: str) -> str:
    """Lines of a refusal, which begin with the names of settings, one after the other."""
    lines = [line for line in text.splitlines() if line]
    return " ".join(line if line.endswith((".", "?", "!")) else f"{line}." for line in lines)


def age(seconds: float) -> str:
    """`8 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min"
    return f"{hours // 24} d {hours % 24} h"


def money(amount: Decimal, currency: str = USD) -> str:
    """Dollars and cents, or those of another currency; below one, as a file may cost, up to four digits."""
    exact = amount.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    cents = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return amount_text(cents if amount >= 1 or exact == cents else exact.normalize(), currency)


def number(count: int) -> str:
    """Thousands set apart by a thin space that does not break."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def plural(count: int, word: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number(count)} {word}" if count == 1 else f"{number(count)} {word}s"


def bytes_in_words(size: int) -> str:
    """`812 B`, `4.1 MiB`: two digits at least, in powers of 1024."""
    amount, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1000 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def moment(seconds: float | None, zone: tzinfo | None) -> str:
    """`2026-11-29 18:04`, in the time zone of the configuration; "" for none."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, zone):%Y-%m-%d %H:%M}"
