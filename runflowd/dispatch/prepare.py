"""Before a purchase: every file of a batch at the service, and every input with its final addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd import files
from runflowd.api.errors import ApiError, Rejected
from runflowd.core.lifecycle import ItemState
from runflowd.core.recipe import FILE_URL, bind
from runflowd.dispatch.upload import Uploads
from runflowd.incidents import SERVICE
from runflowd.store.batches import drop_from_batch

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.core.model import Json, Rule
    from runflowd.store.items import Item

log = structlog.get_logger()


class Preparing:
    """Uploads items, and takes those out of their batch that cannot be sent."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._uploads = Uploads(context)

    async def prepare(self, rule: Rule, items: list[Item]) -> list[tuple[Item, Json]]:
        """Upload every item's file; give the items that can be sent, each with its final input."""
        prepared: dict[int, Json] = {}
        troubles: list[ApiError] = []
        known = await self._uploads.known(items)

        async def one(item: Item) -> None:
            if troubles:
                return
            try:
                url = await self._uploads.url_of(rule.watch, item, known.get(item.id))
                prepared[item.id] = bind(item.input, {FILE_URL: url})
            except files.FileTrouble as trouble:
                await self._set_free(item, trouble)
            except Rejected as refusal:
                await self.fail(item, "UPLOAD_REFUSED", str(refusal))
            except ApiError as trouble:
                troubles.append(trouble)

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(one, item)
        if troubles:
            raise troubles[0]
        await self._context.incidents.over(SERVICE)
        return [(item, prepared[item.id]) for item in items if item.id in prepared]

    async def _set_free(self, item: Item, trouble: files.FileTrouble) -> None:
        """The file is no longer what was hashed, or cannot be read now: intake decides about it anew."""
        now = self._context.clock.wall()
        gone = isinstance(trouble, files.Changed)
        state, code = (ItemState.SKIPPED, "CHANGED") if gone else (ItemState.WAITING, "UNREADABLE")
        await self._context.store.write(
            lambda connection: drop_from_batch(connection, item, state, code, str(trouble), now)
        )
        self._context.look(item.rule, item.path)

    async def fail(self, item: Item, code: str, reason: str) -> None:
        """An item that can never be sent ends; the rest of its batch goes on."""
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: drop_from_batch(connection, item, ItemState.FAILED, code, reason, now)
        )
        self._context.bells.deliver.ring()
        log.warning(reason, action="item.failed", rule=item.rule, path=item.path, code=code)
