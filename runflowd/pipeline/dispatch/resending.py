"""A refusal that is about our links and not about the files: what it hits is sent again, unharmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.core.lifecycle import Outcome
from runflowd.core.links import input_was_unreadable, life_ended, refuses_references, was_too_old
from runflowd.pipeline.dispatch.submitter import names_uploads
from runflowd.store.links import learn_life, references_key, send_again
from runflowd.store.purchases import close_purchase
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.errors import Rejected
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import SubmitRequest

log = structlog.get_logger()


class Resending:
    """Judges refusals of purchases; nothing was bought by a request that was refused."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def takes_over(self, batch: Batch, request: SubmitRequest, items: list[Item], refusal: Rejected) -> bool:
        """Whether a refusal of what was to buy `items` is about links: then what it hits is on its way again."""
        no_references = names_uploads(request) and refuses_references(refusal.message)
        hit = [(item, refusal.message) for item in items] if no_references else _hit(items, refusal)
        if not hit:
            return False
        now = self._context.clock.wall()

        def write(connection: Connection) -> int:
            close_purchase(connection, batch, request.key, Outcome.OUTDATED)
            if no_references:
                connection.run("save_value", service=batch.service, key=references_key(batch.model), value="no")
            elif was_too_old(refusal.code, refusal.message):
                learn_life(connection, batch.service, life_ended(request.links_at, now))
            return send_again(connection, batch, hit, now)

        again = await self._context.store.write(write)
        reach("upload.resent")
        self._context.stage_events.dispatch.notify()
        self._context.stage_events.deliver.notify()
        log.warning(str(refusal), action="links.refused", rule=batch.rule, batch=batch.id, items=len(hit), again=again)
        return True


def _hit(items: list[Item], refusal: Rejected) -> list[tuple[Item, str]]:
    """The items whose upload the service could not read, each with its words; all of them where it names none."""
    named: dict[int, str] = {}
    for problem in refusal.problems:
        for index in problem.item_indexes():
            if index < len(items) and input_was_unreadable(items[index].input, "", problem.message):
                named[index] = problem.message
    if named or refusal.item_indexes():
        return [(items[index], words) for index, words in sorted(named.items())]
    return [
        (item, refusal.message) for item in items if input_was_unreadable(item.input, refusal.code, refusal.message)
    ]
