"""How one file could be made again, in words: the fields, the price of one, what is left, and what agrees to it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runflowd.web.formatting import money, plain_sentences, sentence, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runflowd.store.items import Item

AGREED = {
    "buy": "With these settings it costs what is said below. Nothing is bought yet: press the button to agree.",
    "known": "A result with these settings was bought before: it is taken again, and nothing is bought.",
}
"""What is said where something else would be done than the form offered."""

REFUSED = {
    "same": "Its result was made with these settings: to buy it again would bring what is there. Change one of them.",
    "gone": "Its source is not in the watched folder any more, so there is nothing to send.",
    "doubt": "Whether it was bought with these settings before is not known; its files say so. Change one of them.",
}
"""Why nothing is done, by what the command says of it."""

LONG = 60
"""Letters above which a text gets more than one line."""


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: `usual` is what the rule says where that is another value, "" where it is the same."""

    name: str
    kind: str
    value: str
    usual: str
    choices: tuple[str, ...]
    minimum: str
    maximum: str
    description: str


@dataclass(frozen=True, slots=True)
class RedoPage:
    """The screen. `price` is what one costs, `lines` what is left, `holds` why it would wait, `agreed` what the form
    agrees to. `checked` says whether the service declares what may be set.
    """

    item: int
    title: str
    rule: str
    sentence: str
    fields: tuple[Field, ...]
    price: str
    lines: tuple[str, ...]
    holds: tuple[str, ...]
    agreed: str
    button: str
    checked: bool


def redo_page(item: Item, offer: Mapping[str, Any], given: Mapping[str, str], said: str) -> RedoPage:
    """Word an offer; `given` is what somebody wrote, which stays, `said` why the form comes again."""
    [found] = offer["items"]
    known = found["what"] == "known"
    price = _price(offer)
    return RedoPage(
        item=item.id,
        title=shown(item.path),
        rule=shown(item.rule),
        sentence=said,
        fields=tuple(_field(each, given) for each in found["fields"]),
        price="Nothing is bought." if known else price,
        lines=() if known else tuple(_limits(offer)),
        holds=tuple(sentence(each) for each in found["holds"]),
        agreed=agreement(offer),
        button="Take that result" if known else "Make it again",
        checked=offer["declared"],
    )


def agreement(offer: Mapping[str, Any]) -> str:
    """What somebody agrees to who presses the button: that it is bought, for how much at most; or that it is taken."""
    [found] = offer["items"]
    if found["what"] == "known":
        return "known"
    return "buy:free" if offer["free"] else f"buy:{found['price']['high'] if found['price'] else ''}"


def answer_to(found: Mapping[str, Any]) -> str:
    """What is said to who pressed the button, once the file is marked: also that it waits, and for what."""
    if found["what"] != "buy":
        return AGREED["known"]
    if not found["holds"]:
        return "It is made again. Its screen leads to the new result."
    return plain_sentences(
        "\n".join(["It is asked for, and waits; it need not be asked for again", *map(sentence, found["holds"])])
    )


def _price(offer: Mapping[str, Any]) -> str:
    [found] = offer["items"]
    if offer["free"]:
        return "It is made on this machine, at no price."
    price = found["price"]
    if price is None:
        return "What one costs is not known yet. It is paid for all the same."
    low, high = (money(Decimal(price[name]), offer["currency"]) for name in ("low", "high"))
    return f"It costs {high if low == high else f'{low} to {high}'}, {price['source']}."


def _limits(offer: Mapping[str, Any]) -> Iterator[str]:
    for limit in offer["limits"]:
        left, amount = (money(Decimal(limit[name]), offer["currency"]) for name in ("left", "amount"))
        period = {"per_day": "today", "per_month": "this month"}[limit["name"]]
        whose = f"rule {shown(limit['rule'])}" if limit["rule"] else "all rules"
        yield f"{left} of {amount} left {period} for {whose}."


def _field(one: Mapping[str, Any], given: Mapping[str, str]) -> Field:
    name = one["name"]
    value = given.get(name, "") if given else one["value"]
    kind = one["kind"]
    if kind == "text" and (len(value) > LONG or len(one["value"]) > LONG or "\n" in value):
        kind = "long"
    choices = ("true", "false") if kind == "flag" else tuple(one["choices"])
    bounds = ["" if one[end] is None else f"{one[end]:g}" for end in ("minimum", "maximum")]
    return Field(
        name=name,
        kind=kind,
        value=value,
        usual=one["usual"] if one["usual"] != value else "",
        choices=(value, *choices) if choices and value not in choices else choices,
        minimum=bounds[0],
        maximum=bounds[1],
        description=shown(one["description"]),
    )
