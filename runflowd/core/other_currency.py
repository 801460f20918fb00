"""What holds a rule that would buy in another currency than that of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.money import Hold

if TYPE_CHECKING:
    from decimal import Decimal

OTHER_CURRENCY = "OTHER_CURRENCY"


def priced_in(found: str, rule: str, currency: str) -> Hold:
    """The hold of a rule whose model has a price in another currency than that of the configuration."""
    return _other_currency(
        f"the catalogue's price is in {found}",
        found,
        currency,
        f"write what a file costs in {currency} as `price` of rule {rule}",
    )


def charged_in(found: str, amount: Decimal, rule: str, currency: str) -> Hold:
    """The hold of a rule whose model was last charged in another currency than that of the configuration."""
    back = f"`runflowd resume {rule}` once it bills in {currency} again"
    return _other_currency(f"the service charged {amount} {found}", found, currency, back)


def _other_currency(what: str, found: str, currency: str, otherwise: str) -> Hold:
    return Hold(
        OTHER_CURRENCY,
        f"{what}, and money.currency is {currency}. Amounts in two currencies are not summed, so no limit can be kept",
        f"If the service bills in {found}, write `currency: {found}` under `money`, and limits and prices in it; if it "
        f"does not, {otherwise}",
    )
