"""What the state file knows of purchases at one service, to be held against what the service lists."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.reconciling import EnteredPurchase, LedgerView
from runflowd.store.items import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.store.connection import Connection


@dataclass(slots=True)
class _Entered:
    rule: str
    at: float
    amounts: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    runs: set[str] = field(default_factory=set)

    def purchase(self) -> EnteredPurchase:
        amounts = {currency: amount for currency, amount in self.amounts.items() if amount}
        return EnteredPurchase(self.rule, self.at, amounts, frozenset(self.runs))


def read_ledger(connection: Connection, service: str) -> LedgerView:
    """Every purchase of a service that was charged, what is on its way, and the ids by which runs are known."""
    entered: dict[str, _Entered] = {}
    for row in connection.all("ledger_of_service", service=service):
        one = entered.setdefault(row["key"], _Entered(row["rule"], row["at"]))
        one.amounts[row["currency"]] += Decimal(row["amount"])
        one.runs.update({row["run"]} - {""})
    pending = connection.all("references_pending", service=service)
    runs = {row["run_id"]: row["client_ref"] for row in pending if row["run_id"]}
    runs |= {run: key for key, one in entered.items() for run in one.runs}
    batches = connection.all("batches_at_service", service=service)
    return LedgerView(
        {key: one.purchase() for key, one in entered.items()},
        frozenset(row["client_ref"] for row in pending),
        runs,
        frozenset(row["remote_id"] for row in batches),
    )


def files_of(connection: Connection, references: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Rule and path of the files that purchases were made for.

    What was bought anew since goes by its newest reference.
    """
    rows = connection.all("files_of_references", references=json.dumps(list(references)))
    return {row["client_ref"]: (row["rule"], path_of(row)) for row in rows}
