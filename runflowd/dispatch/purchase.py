"""Buying: the intent first, then the POST, then what the answer means.

A key is repeated with the same bytes for as long as its outcome is open. A clear refusal closes it,
and the next try has a key of its own, unless an earlier try of that key went unanswered: then a
refusal proves nothing about the first request.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd.api.errors import ApiError, OutOfCredit, RateLimited, Rejected, Transient, Unauthorized
from runflowd.core.lifecycle import Outcome
from runflowd.core.recipe import BatchItem
from runflowd.core.refusal import Shape, body_of
from runflowd.failpoints import reach
from runflowd.store.batches import place_items, set_run, submit
from runflowd.store.claims import hold
from runflowd.store.purchases import close_purchase, doubt_purchase, intend

if TYPE_CHECKING:
    from runflowd.api.values import Created, CreatedItem
    from runflowd.context import Context
    from runflowd.core.model import Json
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import Purchase

log = structlog.get_logger()

_NOTHING_HAPPENED = (RateLimited, OutOfCredit, Unauthorized, Rejected)
"""Answers after which a request that was sent once has certainly bought nothing."""


def takes_subject(model: str) -> str:
    """Under which subject it is remembered whether a model takes batches."""
    return f"takes-batches:{model}"


BODY_SUBJECT = "batch-body"

MOST_CONFLICTS = 8
"""Tries that end in a 409 before it is believed."""


def conflict_is_final(purchase: Purchase, tries: int) -> bool:
    """Whether a 409 after `tries` earlier tries is the last word on a purchase.

    Documented is that the key came with other bytes before, which no repetition mends. What a repeated
    request gets while its first is still worked on is not: then the next one, or a look-up, finds the purchase.
    """
    return not purchase.ambiguous or tries + 1 >= MOST_CONFLICTS


class Purchasing:
    """Sends what costs money."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def intend(
        self, batch: Batch, shape: Shape, items: list[tuple[Item, Json]], only: Item | None = None
    ) -> Purchase:
        """Store key and bytes for a purchase of `items`, each with its final input."""
        metadata = {"source": "runflowd", "rule": batch.rule, "batch": batch.id}
        wording = [BatchItem(item.client_ref, final) for item, final in items]
        body = body_of(shape, wording, metadata, self._context.remote.callback_url)
        now = self._context.clock.wall()

        def write(connection: Connection) -> Purchase:
            if only is None:
                place_items(connection, batch, [(item, position) for position, (item, _) in enumerate(items)])
            return intend(connection, batch, shape, body, now, only.id if only else None)

        purchase = await self._context.store.write(write)
        reach("purchase.intended")
        return purchase

    async def post(self, batch: Batch, purchase: Purchase) -> Created:
        """Send an intent; keep book of what a failure proves. Raises `ApiError`, and `LeaseLost` before it sends."""
        api = self._context.remote.api
        assert purchase.body is not None, "an open intent has its bytes"
        await self._context.store.read(partial(hold, claim=batch.claim))
        send = api.create_run if purchase.shape == Shape.RUN else api.create_batch
        try:
            created = await send(batch.model, purchase.body, purchase.key)
        except ApiError as error:
            await self._note_failure(batch, purchase, error)
            raise
        reach("purchase.answered")
        return created

    async def _note_failure(self, batch: Batch, purchase: Purchase, error: ApiError) -> None:
        if isinstance(error, Transient) and error.ambiguous:
            await self._context.store.write(partial(doubt_purchase, batch=batch, key=purchase.key))
        elif isinstance(error, Rejected) or (isinstance(error, _NOTHING_HAPPENED) and not purchase.ambiguous):
            await self._context.store.write(
                partial(close_purchase, batch=batch, key=purchase.key, outcome=Outcome.REFUSED)
            )
            reach("purchase.refused")

    async def note_shape(self, batch: Batch, shape: str) -> None:
        """Remember which body the service understood, though it did not like an item in it; "" forgets."""
        values = {"service": batch.service, "subject": BODY_SUBJECT, "value": shape}
        await self._context.store.write(lambda connection: connection.run("save_fact", **values))

    async def record_batch(self, batch: Batch, purchase: Purchase, created: Created, items: list[Item]) -> None:
        """The service took the batch: note its id, the run ids, and what it takes, in one transaction."""
        now = self._context.clock.wall()
        runs = match_runs(created.items, items)

        def write(connection: Connection) -> None:
            close_purchase(connection, batch, purchase.key, Outcome.ACCEPTED, created.id)
            connection.run("save_fact", service=batch.service, subject=BODY_SUBJECT, value=purchase.shape)
            connection.run("save_fact", service=batch.service, subject=takes_subject(batch.model), value="yes")
            for item in items:
                if run := runs.get(item.client_ref):
                    set_run(connection, batch, item, run)
            submit(connection, batch, items, created.id, purchase.shape, now)

        await self._context.store.write(write)
        reach("purchase.recorded")
        log.info(
            "submitted", action="batch.submitted", rule=batch.rule, batch=batch.id, items=len(items), model=batch.model
        )

    async def record_run(self, batch: Batch, purchase: Purchase, run_id: str, item: Item) -> None:
        """The service took a single run: note its id."""

        def write(connection: Connection) -> None:
            close_purchase(connection, batch, purchase.key, Outcome.ACCEPTED, run_id)
            connection.run("save_fact", service=batch.service, subject=takes_subject(batch.model), value="no")
            set_run(connection, batch, item, run_id)

        await self._context.store.write(write)
        reach("purchase.recorded")


def match_runs(created: tuple[CreatedItem, ...], items: list[Item]) -> dict[str, str]:
    """Which run belongs to which client_ref: by the reference, else by place if all are there.

    `sequence` may start at 0 or 1, so only the order it gives is used.
    """
    named = {entry.client_ref: entry.run_id for entry in created if entry.client_ref and entry.run_id}
    if named:
        return named
    if len(created) != len(items) or any(entry.sequence is None for entry in created):
        return {}
    ordered = sorted(created, key=lambda entry: entry.sequence or 0)
    return {item.client_ref: entry.run_id for item, entry in zip(items, ordered, strict=True) if entry.run_id}
