"""What was spent: by rule, day, month, folder or model, with what is reserved besides."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runflowd.control.command_context import text
from runflowd.control.refusal import CommandRefused
from runflowd.core.printable import printable
from runflowd.core.spans import span_of
from runflowd.store.spend_report import Grouping, reserved_besides, spend_by, totals
from runflowd.store.spending import hosted_since

if TYPE_CHECKING:
    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.store.spend_report import Line, Reserved


def spend(context: CommandContext, parameters: Parameters) -> Answer:
    """Sums over the ledger by `by`, of the days from `since` to `until`; `rows` are in the order of their groups.

    Times are those of the charges. `reserved` and `unknown` are as of now, whatever the span.
    """
    zone = context.config.money.zone
    grouping = _grouping(text(parameters, "by") or Grouping.RULE)
    try:
        since, until = span_of(text(parameters, "since"), text(parameters, "until"), zone, context.now)
    except ValueError as error:
        raise CommandRefused(printable(str(error)), 2) from None
    lines = spend_by(context.connection, grouping, zone, since, until)
    besides = reserved_besides(context.connection)
    hosted = hosted_since(context.connection, since, until)
    return {
        "by": grouping.value,
        "columns": list(columns(grouping)),
        "timezone": str(zone) if zone else None,
        "local": context.config.service.local is not None,
        "rows": [_row(grouping, line) for line in lines],
        "totals": [_sums(line) for line in totals(lines)],
        "reserved": [_reserved(each) for each in besides if not each.doubtful],
        "unknown": [_reserved(each) for each in besides if each.doubtful],
        "hosted": format(hosted, "f"),
    }


def columns(grouping: Grouping) -> tuple[str, ...]:
    """What tells one group from another."""
    return ("rule", "folder") if grouping is Grouping.FOLDER else (grouping.value,)


def _grouping(word: str) -> Grouping:
    try:
        return Grouping(word)
    except ValueError:
        known = ", ".join(Grouping)
        raise CommandRefused(f"nothing is summed by {printable(word)!r}; there are {known}", 2) from None


def _row(grouping: Grouping, line: Line) -> dict[str, Any]:
    return {**dict(zip(columns(grouping), map(printable, line.group), strict=True)), **_sums(line)}


def _sums(line: Line) -> dict[str, Any]:
    return {
        "currency": line.currency,
        "purchases": line.purchases,
        "charged": _exact(line.charged),
        "refunded": _exact(line.refunded),
        "spent": _exact(line.spent),
        "presumed": _exact(line.presumed),
        "presumptions": line.presumptions,
    }


def _reserved(each: Reserved) -> dict[str, Any]:
    amount = _exact(each.amount)
    return {"currency": each.currency, "files": each.files, "amount": amount, "unpriced": each.unpriced}


def _exact(amount: Decimal) -> str:
    """All digits, and at least cents."""
    cents = amount.quantize(Decimal("0.01"))
    return format(cents if cents == amount else amount.normalize(), "f")
