"""The receipt of a file: what was sent, bought, charged and delivered, as one JSON document.

Equal facts give equal bytes: keys are sorted, times and sums are those on record, and no clock is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.links import REFERENCE
from runflowd.core.model import LOCAL
from runflowd.core.printable import scrubbed
from runflowd.core.template import bind, symbols

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runflowd.core.model import Json

FORMAT = 1
"""The version of the document; another one when a key changes its meaning."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a file ended: its state, and the code and words of what failed or is missing, "" for neither."""

    state: str
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Bought:
    """A purchase, where it was made: the id of the batch at the service, of the run, and the idempotency key of the
    request; each is None where there is none. `reference` is the `client_ref` that the service was given.
    """

    service: str
    batch: str | None
    run: str | None
    reference: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of money for a file, as the ledger has it; `at` is when it was learnt, in epoch seconds."""

    kind: str
    amount: Decimal
    currency: str
    at: float
    reference: str
    run: str


@dataclass(frozen=True, slots=True)
class DeliveredOutput:
    """One output: its path below the output folder, and size in bytes and sha256 of what was written there.

    `edited` says that somebody has changed the file since, and that it stays where it is whatever the verdict.
    `moved_to` is the path that it has had since its source was renamed, "" where that was not.
    """

    path: str
    size: int
    sha256: str
    edited: bool = False
    moved_to: str = ""

    @property
    def entry(self) -> dict[str, Json]:
        """What a receipt says of it."""
        return {
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            **({"edited": True} if self.edited else {}),
            **({"moved_to": self.moved_to} if self.moved_to else {}),
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict in force on the result: accept or reject, by `who`, "" for nobody known; `at` is epoch seconds."""

    verdict: str
    who: str
    at: float
    reason: str

    @property
    def entry(self) -> dict[str, Json]:
        """What a receipt says of it."""
        return {
            "verdict": self.verdict,
            "who": scrubbed(self.who) or None,
            "at": _moment(self.at),
            "reason": scrubbed(self.reason) or None,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """All facts of a receipt. `times` are epoch seconds, None for what has not happened.

    `input` is symbolic, `settings` is what a person set of it for this file alone, `assets` are the uploads by their
    symbols. `shares` is the path of the file whose purchase the result is of, "" where it is that of this file itself.
    `settled` says whether anybody has stated what it costs.
    """

    source: str
    size: int
    content: str
    mime: str
    rule: str
    snapshot: str
    text: str
    model: str
    input: Json
    settings: Mapping[str, Json]
    assets: Mapping[str, str]
    bought: Bought | None
    shares: str
    settled: bool
    entries: tuple[Entry, ...]
    currency: str
    times: Mapping[str, float | None]
    ended: Ended
    outputs: tuple[DeliveredOutput, ...]
    judged: Judged | None = None

    @property
    def cost(self) -> Decimal | None:
        """What was charged for the file itself, all in all, in its currency; None while nobody has stated it."""
        free = self.bought is None or self.shares or self.bought.service == LOCAL
        known = self.settled or self.entries or free
        own = (entry.amount for entry in self.entries if entry.currency == self.currency)
        return sum(own, Decimal(0)) if known else None


def document(receipt: Receipt) -> bytes:
    """The bytes of a receipt: JSON in ASCII, keys sorted, without links to uploads, logins, tokens or keys."""
    found = {
        "format": FORMAT,
        "source": {
            "path": receipt.source,
            "size": receipt.size,
            "sha256": receipt.content,
            "type": receipt.mime,
        },
        "rule": {"name": receipt.rule, "sha256": receipt.snapshot, "text": _clean(json.loads(receipt.text))},
        "model": receipt.model,
        "input": _clean(_named(receipt.input, receipt.assets)),
        "own_settings": _clean(dict(receipt.settings)) or None,
        "purchase": _purchase(receipt),
        "cost": _amount(receipt.cost),
        "currency": receipt.currency,
        "charges": [_entry(entry) for entry in receipt.entries],
        "times": {name: _moment(at) for name, at in receipt.times.items()},
        "state": receipt.ended.state,
        "failure": _failure(receipt.ended),
        "outputs": [one.entry for one in receipt.outputs],
        "review": receipt.judged.entry if receipt.judged else None,
    }
    return f"{json.dumps(found, sort_keys=True, indent=2, ensure_ascii=True)}\n".encode()


def outputs_text(outputs: Iterable[DeliveredOutput]) -> str:
    """Outputs as they are kept on record."""
    return json.dumps([_shortest(one) for one in outputs])


def _shortest(one: DeliveredOutput) -> list[Json]:
    """The fields up to the last that says anything."""
    if one.moved_to:
        return [one.path, one.size, one.sha256, one.edited, one.moved_to]
    return [one.path, one.size, one.sha256, *([True] if one.edited else [])]


def outputs_from(text: str) -> tuple[DeliveredOutput, ...]:
    """The outputs that `outputs_text` wrote."""
    return tuple(DeliveredOutput(*one) for one in json.loads(text))


def _named(symbolic: Json, assets: Mapping[str, str]) -> Json:
    """An input as it was sent, each upload by its asset's id; what has none stays a placeholder."""
    placeholders = {name: f"${{{name}}}" for name in symbols(symbolic)}
    return bind(symbolic, {**placeholders, **{name: f"{REFERENCE}{asset}" for name, asset in assets.items()}})


def _clean(value: Json) -> Json:
    """The same without secrets, in whatever text of it."""
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {key: _clean(part) for key, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list) else value


def _purchase(receipt: Receipt) -> Json:
    bought = receipt.bought
    if bought is None:
        return None
    return {
        "service": bought.service,
        "batch": bought.batch,
        "run": bought.run,
        "client_ref": bought.reference,
        "key": bought.key,
        "shared_with": receipt.shares or None,
    }


def _entry(entry: Entry) -> Json:
    return {
        "kind": entry.kind,
        "amount": _amount(entry.amount),
        "currency": entry.currency,
        "at": _moment(entry.at),
        "client_ref": entry.reference,
        "run": entry.run or None,
    }


def _failure(ended: Ended) -> Json:
    return {"code": ended.code, "reason": scrubbed(ended.reason)} if ended.code or ended.reason else None


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount.normalize(), "f")


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
