"""How long to wait for a batch: by its age, and by what its model usually takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.api.outcomes import is_documented
from runflowd.core.backoff import poll_delay
from runflowd.core.units import duration_text
from runflowd.store.connection import stored_value
from runflowd.store.leases import release

if TYPE_CHECKING:
    from runflowd.pipeline.context import Context
    from runflowd.store.batches import Batch

log = structlog.get_logger()

OVERDUE_AFTER = 3600.0
"""Seconds after which a batch is overdue, unless its rule has a deadline or its model is usually slow."""

OVERDUE_TIMES = 10
"""How many times the usual is no hour any more, but what is allowed."""


def usual_key(model: str) -> str:
    """Under which key the usual duration of a model's batches is remembered, in seconds."""
    return f"usual-seconds:{model}"


class PollSchedule:
    """Decides when a batch is looked at again."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def wait_more(self, batch: Batch, word: str, *, attempts: int = 0, yielding: bool = False) -> None:
        """Give the batch back until its next look, and say once when it has taken far too long.

        `yielding` says that some of its items have ended, so that the others may at any time.
        """
        context = self._context
        now = context.clock.wall()
        age = max(0.0, now - (batch.submitted_at or now))
        usual = await self.usual(batch.model)
        deadline = self._deadline(batch, usual)
        stalled = (batch.stalled_at or now) if age > deadline else None
        if word and word != batch.status and not is_documented(word):
            sentence = f"its status is {word!r}, a word that nobody documented; it counts as not yet"
            log.warning(sentence, action="batch.unknown_status", rule=batch.rule, batch=batch.id)
        if stalled and batch.stalled_at is None:
            waited, allowed = duration_text(round(age)), duration_text(round(deadline))
            sentence = (
                f"not ended after {waited}, its deadline was {allowed}; it is kept, polled slowly, not bought again"
            )
            log.warning(sentence, action="batch.overdue", rule=batch.rule, batch=batch.id)
        pause = poll_delay(
            age,
            None if yielding else usual,
            context.service.poll,
            jitter=context.clock.jitter(),
            cap=300.0 if stalled else 30.0,
        )
        await context.store.write(
            lambda connection: release(
                connection,
                batch,
                due_at=now + pause,
                attempts=attempts,
                status=word,
                stalled_at=stalled,
            )
        )

    def _deadline(self, batch: Batch, usual: float | None) -> float:
        """After how many seconds a batch is overdue; by the rule as it is now, for it only says when to report."""
        rule = self._context.rules.get(batch.rule)
        deadline = rule.batch.deadline if rule else None
        return deadline if deadline is not None else max(OVERDUE_AFTER, OVERDUE_TIMES * (usual or 0.0))

    async def learn(self, batch: Batch, duration: float) -> float | None:
        """What is usual for the model after a batch took `duration` seconds; None when that says nothing about it.

        An overdue batch was stuck. One that took very long, and was not found overdue, counts within bounds.
        """
        usual = await self.usual(batch.model)
        if batch.stalled_at is not None or duration > self._deadline(batch, usual):
            return None
        return duration if usual is None else 0.7 * usual + 0.3 * min(duration, OVERDUE_TIMES * usual)

    async def usual(self, model: str) -> float | None:
        """How many seconds batches of this model usually take; None while none has ended."""
        service = self._context.service.name
        text = await self._context.store.read(lambda connection: stored_value(connection, service, usual_key(model)))
        return float(text) if text else None
