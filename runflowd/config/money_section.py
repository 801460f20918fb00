"""The section `money`, and what a rule says of money."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator
from pydantic_core import core_schema

from runflowd.config.sections import Section, described
from runflowd.config.types import refuse
from runflowd.core.currency import CODES, meant_by
from runflowd.core.money import Stop
from runflowd.core.suggestion import closest

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler

_MOST = Decimal(10) ** 9
_MOST_FILES = 100_000_000
_PLACES = 9
_NUMBER = re.compile(r"[+-]?[0-9][0-9_]*(\.[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")


_NUMBER_MEANT = "write a plain number, such as 0.35"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money, written as a number and held as `Decimal`: 0.1 is a tenth.

    `zero` is what is wrong with 0 under a key, and `without` what leaving the key out means.
    """

    zero: str
    without: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "number", "exclusiveMinimum": 0, "maximum": int(_MOST)}

    def _check(self, value: Any) -> Decimal:
        if isinstance(value, str):
            raise refuse(self._about_text(value))
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(f"is no amount of money; {_NUMBER_MEANT}")
        try:
            amount = Decimal(str(value))
        except (InvalidOperation, ValueError):
            raise refuse(f"is no amount of money; {_NUMBER_MEANT}") from None
        if not amount.is_finite():
            raise refuse(self._not_finite)
        if amount < 0:
            raise refuse("is negative; write a number above 0")
        if not amount:
            raise refuse(f"is 0, {self.zero}")
        if amount > _MOST or -int(amount.as_tuple().exponent) > _PLACES:
            raise refuse(f"is out of range; it has up to {_PLACES} decimal places and goes up to {_MOST:,}")
        return amount

    @property
    def _not_finite(self) -> str:
        return f"is no finite number; {_NUMBER_MEANT}, or leave it out {self.without}"

    def _about_text(self, value: str) -> str:
        """What is wrong with an amount that is written as text."""
        if re.fullmatch(r"(?i)[+-]?\.?(nan|inf(inity)?)", value.strip()):
            return self._not_finite
        bare = re.sub(r"(?i)usd|us-dollars?|dollars?|\$", "", value).strip()
        bare = bare.replace(",", "") if _GROUPED.fullmatch(bare) else bare
        if _NUMBER.fullmatch(bare):
            return f"is text; amounts are numbers without quotes or a sign: write {bare.lstrip('+').replace('_', '')}"
        if re.search(r"(?i)[€£¥₹]|\b(eur|gbp|chf|jpy|euro?s?|pounds?|yen|cents?)\b", value):
            return f"names a currency, which `money.currency` does for all amounts (USD by default); {_NUMBER_MEANT}"
        return f"is no number; {_NUMBER_MEANT}"


def _check_zone(value: str) -> str:
    known = available_timezones()
    if value not in known:
        tail = {name.rpartition("/")[2]: name for name in sorted(known)}
        near = closest(value, known) or tail.get(closest(value.rpartition("/")[2], tail), "")
        raise refuse(f"is no time zone{f'; did you mean {near}?' if near else '; write one such as Europe/Berlin'}")
    return value


def _check_currency(value: str) -> str:
    if value not in CODES:
        near = meant_by(value)
        raise refuse(f"is no currency{f'; did you mean {near}?' if near else '; write its ISO 4217 code, such as EUR'}")
    return value


MoneyAmount = Annotated[
    Decimal, Amount("which would stop everything; `enabled: false` turns a rule off", without="for no limit")
]
"""A limit of money."""

FilePrice = Annotated[
    Decimal,
    Amount(
        "but what is free needs no price; leave it out to go by what is charged",
        without="to go by what is charged",
    ),
]
"""What a file costs."""

FileLimit = Annotated[
    Decimal, Amount("so no file could be bought; `enabled: false` turns a rule off", without="for no limit")
]
"""A limit for one file."""


@dataclass(frozen=True, slots=True)
class FileCount:
    """A number of files of at least 1; `zero` is what is wrong with 0 under a key."""

    zero: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": _MOST_FILES}

    def _check(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse("is no number of files; write a whole number without quotes, such as 10")
        if value < 0:
            raise refuse("is negative; write a number of files, such as 10")
        if not value:
            raise refuse(f"is 0, {self.zero}")
        if value > _MOST_FILES:
            raise refuse(f"is out of range; it goes up to {_MOST_FILES:,} files")
        return value


SampleCount = Annotated[
    int, FileCount("so nothing could be bought before an approval; write 1 for the smallest sample")
]
"""How many files are bought as a sample."""

CrowdCount = Annotated[int, FileCount("so every file would wait; write `first: 1` for an approval after the first one")]
"""How many files at once are not too many."""

CrowdCost = Annotated[
    Decimal, Amount("so every file would wait; write `first: 1` for an approval after the first one", "to ask for none")
]
"""What files may cost at once."""

Zone = Annotated[str, AfterValidator(_check_zone)]

Currency = Annotated[str, AfterValidator(_check_currency)]


class BudgetSection(Section):
    """What may be spent at most."""

    per_day: MoneyAmount | None = described("What may be spent a day.", 50)
    per_month: MoneyAmount | None = described("What may be spent a calendar month.", 600)
    stop: Stop = described(
        "What a limit does: cautious buys only what fits at the highest price that is to be expected; soft goes on "
        "until that much is charged; notify only sends a message. cautious by default.",
        "cautious",
        default=Stop.CAUTIOUS,
        strict=False,
    )


class RuleBudgetSection(BudgetSection):
    """What a rule may spend at most."""

    per_file: FileLimit | None = described("What one file may cost; what costs more is not bought.", 0.6)


class ApproveSection(Section):
    """When a rule waits for `runflowd approve RULE`."""

    first: SampleCount | None = described(
        "How many files are bought as a sample; the others wait. Counted anew once `model`, `input`, `select` or "
        "`files` is another one.",
        10,
    )
    above_files: CrowdCount | None = described("Files that are there at once wait if they are more than this.", 200)
    above_cost: CrowdCost | None = described(
        "Files that are there at once wait if they may cost more dollars than this.", 25
    )


class MoneySection(Section):
    """What may be spent, in which currency, and when a day begins."""

    timezone: Zone | None = described(
        "Where days and months begin, as a name of the time zone database; that of this machine by default.",
        "Europe/Berlin",
    )
    currency: Currency | None = described(
        "In which currency the service bills, as its ISO 4217 code; all amounts are in it. USD by default.", "EUR"
    )
    budget: BudgetSection | None = described("What all rules together may spend.", {"per_day": 50, "per_month": 600})
