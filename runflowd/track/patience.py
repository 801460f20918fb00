"""How long to wait for a batch: by its age, and by what its model usually takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.api.reading import is_documented
from runflowd.core.backoff import poll_delay
from runflowd.store.batches import Batch, release
from runflowd.store.facts import fact

if TYPE_CHECKING:
    from runflowd.context import Context

log = structlog.get_logger()

STALLED_AFTER = 3600.0
"""Seconds after which a batch counts as stalled, unless its model usually takes a tenth of that or more."""


def usual_subject(model: str) -> str:
    """Under which subject the usual duration of a model's batches is remembered, in seconds."""
    return f"usual-seconds:{model}"


class Patience:
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
        stalled = batch.stalled_at
        if word and word != batch.status and not is_documented(word):
            sentence = f"its status is {word!r}, a word that nobody documented; it counts as not yet"
            log.warning(sentence, action="batch.strange_status", rule=batch.rule, batch=batch.id)
        if stalled is None and age > max(STALLED_AFTER, 10 * (usual or 0.0)):
            stalled = now
            log.warning(
                f"no result after {age / 3600:.1f} h; it is kept, polled slowly, and never bought again by itself",
                action="batch.stalled",
                rule=batch.rule,
                batch=batch.id,
            )
        pause = poll_delay(
            age,
            None if yielding else usual,
            context.remote.poll,
            jitter=context.clock.jitter(),
            cap=300.0 if stalled else 30.0,
        )
        await context.store.write(
            lambda connection: release(
                connection,
                batch,
                context.store.owner,
                due_at=now + pause,
                attempts=attempts,
                status=word,
                stalled_at=stalled,
            )
        )

    async def usual(self, model: str) -> float | None:
        """How many seconds batches of this model usually take; None while none has ended."""
        service = self._context.remote.name
        text = await self._context.store.read(lambda connection: fact(connection, service, usual_subject(model)))
        return float(text) if text else None
