"""Buying: the intent first, then the POST, then what the answer means.

A key is repeated with the same bytes for as long as its outcome is open. A clear refusal closes it,
and the next try has a key of its own, unless an earlier try of that key went unanswered: then a
refusal proves nothing about the first request.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd.api.errors import (
    ApiError,
    Conflict,
    NotFound,
    OutOfCredit,
    Permanent,
    RateLimited,
    Rejected,
    Transient,
    Unauthorized,
)
from runflowd.core.bodies import BatchItem
from runflowd.core.lifecycle import Outcome, Resume, resume
from runflowd.core.links import REFERENCE, is_fresh
from runflowd.core.refusal import BodyFormat, Shape, body_of
from runflowd.pipeline.dispatch.habits import BODY_KEY, habits_of, learn, learn_omitted, takes_key
from runflowd.pipeline.dispatch.refusals import AskAgain, relieve
from runflowd.pipeline.dispatch.uploader import oldest_link
from runflowd.store.batches import mark_run_submitted, mark_submitted, place_items, set_runs
from runflowd.store.history import record
from runflowd.store.hosts import hold_to_act
from runflowd.store.links import link_life, references_key
from runflowd.store.pauses import require_unpaused
from runflowd.store.prices import currency_hold
from runflowd.store.purchases import (
    about_to_send,
    close_purchase,
    close_unreceived,
    doubt_purchase,
    note_unreceived,
    record_intent,
)
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.values import Created, CreatedItem
    from runflowd.core.refusal import Habits
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.dispatch.uploader import Prepared
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import SubmitRequest

log = structlog.get_logger()

_NOTHING_HAPPENED = (RateLimited, OutOfCredit, Unauthorized, Rejected, NotFound)
"""Answers after which a request that was sent once has certainly bought nothing."""


def cannot_have_been_received(error: ApiError) -> bool:
    """Whether a request certainly had no effect: it never left, or was clearly refused. 409 says that it is known."""
    if isinstance(error, Transient):
        return not error.ambiguous
    return isinstance(error, Permanent | Unauthorized | OutOfCredit) and not isinstance(error, Conflict)


MAX_CONFLICTS = 8
"""Tries that end in a 409 before it is believed."""


def _is_of_the_api(error: ApiError) -> bool:
    """Whether the API itself refused a request, which knows what it made of the same key before; no gateway's page."""
    return isinstance(error, Rejected) or (isinstance(error, NotFound) and bool(error.code))


def conflict_is_final(request: SubmitRequest, tries: int) -> bool:
    """Whether a 409 after `tries` earlier tries is the last word on a purchase.

    Documented is that the key came with other bytes before, which no repetition mends. What a repeated
    request gets while its first is still worked on is not: then the next one, or a look-up, finds the purchase.
    """
    return not request.ambiguous or tries + 1 >= MAX_CONFLICTS


class Submitter:
    """Sends what costs money."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def record_intent(
        self, batch: Batch, body_format: BodyFormat, prepared: list[Prepared], only: Item | None = None
    ) -> SubmitRequest:
        """Store key and bytes for a purchase of what is prepared. Raises `Paused`, and `AskAgain` for a held rule."""
        metadata = {"source": "runflowd", "rule": batch.rule, "batch": batch.id}
        named = [BatchItem(one.item.client_ref, one.input) for one in prepared]
        body = body_of(body_format, named, metadata, self._context.service.callback_url)
        now, links_at, money = self._context.clock.wall(), oldest_link(prepared), self._context.money

        def write(connection: Connection) -> SubmitRequest:
            require_unpaused(connection, batch.rule)
            if held := currency_hold(connection, money, batch.rule, batch.service, batch.model, now):
                raise AskAgain(held.message, 0.0)  # it is put back then
            if only is None:
                place_items(connection, batch, [(one.item, position) for position, one in enumerate(prepared)])
            return record_intent(connection, batch, str(body_format), body, now, only.id if only else None, links_at)

        request = await self._context.store.write(write)
        reach("purchase.intended")
        return request

    async def close_outdated(self, batch: Batch, request: SubmitRequest, items: list[Item]) -> bool:
        """Close an open intent that cannot have been received and is too old, by its links or its key, to be sent.

        `items` are those it was to buy: they are prepared anew then, under another key.
        """
        now, service = self._context.clock.wall(), self._context.service.name

        def write(connection: Connection) -> bool:
            fresh = is_fresh(request.links_at, link_life(connection, service), now)
            if fresh and resume(request.intended_at, now) is Resume.REPEAT:
                return False
            if not close_unreceived(connection, batch, request.key):
                return False
            why = "its links are older than they may be" if not fresh else "it is more than a day old"
            for item in items:
                record(connection, item.id, now, f"its request never reached the service, and {why}: prepared anew")
            return True

        if not request.unreceived or not await self._context.store.write(write):
            return False
        reach("purchase.outdated")
        return True

    async def post(self, batch: Batch, request: SubmitRequest) -> Created:
        """Send an intent; keep book of what a failure proves.

        Raises `ApiError`, and before it sends `LeaseLost` and `HostUnseen`.
        """
        api = self._context.service.api
        assert request.body is not None, "an open intent has its bytes"
        if request.unreceived:  # what was certain of the last time is not of this one
            await self._context.store.write(partial(about_to_send, batch=batch, key=request.key))
        send = api.create_run if request.body_format.shape is Shape.RUN else api.create_batch
        try:
            created = await send(batch.model, request.body, request.key, partial(self._ensure_ours, batch))
        except ApiError as error:
            await self._note_failure(batch, request, error)
            raise
        reach("purchase.answered")
        return created

    async def _ensure_ours(self, batch: Batch) -> None:
        """Asked when it is a request's turn, for which it may have waited long."""
        context = self._context
        ask = partial(hold_to_act, claim=batch.claim, session=context.store.owner, now=context.clock.wall())
        await context.store.read(ask, single=True)
        context.require_acting()

    async def _note_failure(self, batch: Batch, request: SubmitRequest, error: ApiError) -> None:
        if isinstance(error, Transient) and error.ambiguous:
            await self._context.store.write(partial(doubt_purchase, batch=batch, key=request.key))
        elif _is_of_the_api(error) or (isinstance(error, _NOTHING_HAPPENED) and not request.ambiguous):
            await self._context.store.write(
                partial(close_purchase, batch=batch, key=request.key, outcome=Outcome.REFUSED)
            )
            reach("purchase.refused")
        elif cannot_have_been_received(error):
            await self._context.store.write(partial(note_unreceived, batch=batch, key=request.key))

    async def habits(self, batch: Batch) -> Habits:
        """What the service of a batch was seen to take."""
        url = self._context.service.callback_url
        return await self._context.store.read(lambda each: habits_of(each, batch.service, batch.model, url))

    async def note_shape(self, batch: Batch, shape: str) -> None:
        """Remember which body the service understood, though it did not like an item in it; "" forgets."""
        await self._context.store.write(lambda connection: learn(connection, batch.service, BODY_KEY, shape))

    async def record_batch(self, batch: Batch, request: SubmitRequest, created: Created, items: list[Item]) -> None:
        """The service took the batch: note its id, the run ids, and what it takes, in one transaction."""
        now, body_format = self._context.clock.wall(), request.body_format
        runs = match_runs(created.items, items, in_order=not body_format.can_be_searched)

        def write(connection: Connection) -> None:
            close_purchase(connection, batch, request.key, Outcome.ACCEPTED, created.id)
            learn(connection, batch.service, BODY_KEY, body_format.shape)
            learn(connection, batch.service, takes_key(batch.model), "yes")
            if body_format.omitted:
                learn_omitted(connection, batch.service, body_format, self._context.service.callback_url)
            relieve(connection, batch, now)
            note_references(connection, batch, request)
            known = {item.id: run for item in items if (run := runs.get(item.client_ref))}
            set_runs(connection, batch, known)
            mark_submitted(connection, batch, items, created.id, body_format.shape, now)

        await self._context.store.write(write)
        reach("purchase.recorded")
        facts = {"batch": batch.id, "at_service": created.id, "items": len(items), "model": batch.model}
        log.info("batch bought", action="batch.submitted", rule=batch.rule, **facts)

    async def record_run(self, batch: Batch, request: SubmitRequest, run_id: str, item: Item) -> None:
        """The service took a single run: note its id, and that it counts as spent from now on."""
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            close_purchase(connection, batch, request.key, Outcome.ACCEPTED, run_id)
            learn(connection, batch.service, takes_key(batch.model), "no")
            if request.body_format.omitted:
                learn_omitted(connection, batch.service, request.body_format, self._context.service.callback_url)
            relieve(connection, batch, now)
            note_references(connection, batch, request)
            mark_run_submitted(connection, batch, item, run_id, now)

        await self._context.store.write(write)
        reach("purchase.recorded")


def names_uploads(request: SubmitRequest) -> bool:
    """Whether a request that is about to be answered names uploads by reference."""
    return REFERENCE.encode() in (request.body or b"")


def note_references(connection: Connection, batch: Batch, request: SubmitRequest) -> None:
    """The service took a request: remember that it takes references, if there are any in it."""
    if names_uploads(request):
        connection.run("save_value", service=batch.service, key=references_key(batch.model), value="yes")


def match_runs(created: tuple[CreatedItem, ...], items: list[Item], *, in_order: bool = False) -> dict[str, str]:
    """Which run belongs to which client_ref: by the reference, else by place if all are there.

    `sequence` may start at 0 or 1, so only the order it gives is used. Without any, the order of the answer
    counts if `in_order` says that it is all there is.
    """
    named = {entry.client_ref: entry.run_id for entry in created if entry.client_ref and entry.run_id}
    if named:
        return named
    entries = list(dict.fromkeys(created))
    numbered = [entry for entry in entries if entry.sequence is not None]
    if len(entries) != len(items) or len(numbered) not in ({0, len(items)} if in_order else {len(items)}):
        return {}
    ordered = sorted(numbered, key=lambda entry: entry.sequence or 0) or entries
    return {item.client_ref: entry.run_id for item, entry in zip(items, ordered, strict=True) if entry.run_id}
