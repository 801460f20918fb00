"""The ledger held against the service: its runs are read page by page, and nothing is changed on either side."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from runflowd.api.values import Status
from runflowd.app.service_factory import open_remote
from runflowd.core.reconciling import LedgerView, ListedRun, compare, lasting
from runflowd.errors import RunflowdError
from runflowd.store import reading
from runflowd.store.ledger_view import read_ledger
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from runflowd.api.values import Run
    from runflowd.config import Config
    from runflowd.core.reconciling import Comparison
    from runflowd.pipeline.context import ServiceClient
    from runflowd.system.paths import Place


class NoCosts(RunflowdError):
    """The service lists runs and says of none what it cost, so that nothing can be compared."""

    def __init__(self, service: str, runs: int) -> None:
        super().__init__(
            f"{service} lists {runs:,} runs of this machine that succeeded and says of none what it cost, so the "
            "ledger cannot be compared. Its billing page may tell; `runflowd spend --csv` has what is on record here."
        )


async def compare_ledger(config: Config, since: float, until: float) -> Comparison:
    """What both say of the purchases of a span (epoch seconds).

    Raises `ApiError`, `CredentialError`, `StoreError`, and `NoCosts` where there is nothing to compare.
    """
    state = state_place(config)
    async with open_remote(config) as remote:
        return await compare_with(remote, state, config.money.currency, since, until)


async def compare_with(
    remote: ServiceClient, state: Place, currency: str, since: float = 0.0, until: float = math.inf
) -> Comparison:
    """The same, asked of a service that is open already; `currency` is that of costs that name none."""

    def ledger() -> LedgerView:
        with reading(state) as connection:
            return read_ledger(connection, remote.name)

    before = await anyio.to_thread.run_sync(ledger)
    listed = [_listed(run) async for page in remote.api.every_run() for run in page]
    after = await anyio.to_thread.run_sync(ledger)
    succeeded = [run for run in listed if run.succeeded and after.key_of(run)]
    if succeeded and all(run.cost is None for run in succeeded):
        raise NoCosts(remote.name, len(succeeded))
    look = partial(compare, listed=listed, currency=currency, since=since, until=until)
    return lasting(look(before), look(after))


def _listed(run: Run) -> ListedRun:
    succeeded = run.status in {Status.SUCCEEDED, Status.PARTIAL}
    return ListedRun(run.id, run.client_ref, run.batch_id, succeeded, run.cost, run.currency, run.created_at)
