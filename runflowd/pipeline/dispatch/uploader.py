"""Before a purchase: every file of a batch at the service, and every input with its final addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from runflowd import files
from runflowd.api.errors import ApiError, Rejected
from runflowd.core.incident_scope import SERVICE, STORAGE
from runflowd.core.lifecycle import ItemState
from runflowd.core.media.image_bytes import CutShortError, DamagedError
from runflowd.core.template import FILE_TEXT, bind
from runflowd.pipeline.dispatch.required_assets import RequiredAssets, ZipTooLarge
from runflowd.pipeline.dispatch.upload import Uploads
from runflowd.pipeline.dispatch.zip_payload import ZipError
from runflowd.pipeline.rule_fault import fault_of_reference
from runflowd.store.connection import stored_value
from runflowd.store.links import references_key
from runflowd.store.unbought import drop_from_batch
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import Json
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.dispatch.upload import Link
    from runflowd.pipeline.io_guard import FolderIo
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item


@dataclass(frozen=True, slots=True)
class Prepared:
    """An item that can be sent, with its final input and the links in that."""

    item: Item
    input: Json
    links: tuple[Link, ...]


def oldest_link(prepared: list[Prepared]) -> float | None:
    """When the oldest of their links was made (epoch seconds); None when none of them ages."""
    return min((link.made_at for one in prepared for link in one.links if link.made_at is not None), default=None)


class Uploader:
    """Uploads items, and takes those out of their batch that cannot be sent."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._uploads = Uploads(context)

    async def prepare(self, batch: Batch, snapshot: str, items: list[Item]) -> list[Prepared]:
        """Upload what every item needs; give the items that can be sent, each with its final input.

        `snapshot` is the rule text they were sealed with; it says what the rule's reference files were.
        """
        prepared = await self._prepare(batch, snapshot, items)
        if not await self._uploads.are_fresh(link for one in prepared for link in one.links):
            # The last upload took longer than the first link may be used; all are there now, so a second turn is short.
            prepared = await self._prepare(batch, snapshot, [one.item for one in prepared])
        return prepared

    async def _prepare(self, batch: Batch, snapshot: str, items: list[Item]) -> list[Prepared]:
        needs = RequiredAssets(snapshot)
        folder = self._context.io.watched(needs.rule)
        by_reference = needs.by_reference and await self._takes_references(needs.model)
        try:
            shared = await self._upload_shared(needs, items, folder, by_reference=by_reference)
        except files.FileError as error:
            for item in items:
                await self._set_free(batch, item, error)
            return []
        fitting = await self._without_large(batch, needs, items)
        prepared = await self._upload_own(batch, needs, shared, fitting, by_reference=by_reference)
        await self._context.got_through(SERVICE, STORAGE)
        return prepared

    async def _takes_references(self, model: str) -> bool:
        """Whether `runflow://` may stand for an upload, as far as anybody knows."""
        service, key = self._context.service.name, references_key(model)
        return await self._context.store.read(lambda connection: stored_value(connection, service, key)) != "no"

    async def _upload_own(
        self, batch: Batch, needs: RequiredAssets, shared: dict[str, Link], items: list[Item], *, by_reference: bool
    ) -> list[Prepared]:
        """Upload what is of each item alone, many at once; raise the first trouble that concerns them all."""
        own, folder = {item.id: needs.own(item) for item in items}, self._context.io.watched(needs.rule)
        known = await self._uploads.known(content for found in own.values() for content in found.values())
        prepared: dict[int, Prepared] = {}
        errors: list[ApiError | ZipError] = []

        # A batch queues a few uploads at a time, so that the next batch's first one waits for these few only.
        queue = anyio.Semaphore(max(1, self._context.limits.uploads // 2), fast_acquire=True)

        async def upload(item: Item) -> None:
            async with queue:
                try:
                    links = dict(shared)
                    for symbol, content in own[item.id].items() if not errors else ():
                        links[symbol] = await self._uploads.link_of(
                            content,
                            known.get(content.key),
                            folder,
                            unreadable=item.resent,
                            by_reference=by_reference and not item.resent,
                        )
                    text = needs.text(item)
                    words = {} if text is None else {FILE_TEXT: await folder.read(text.text)}
                except (ApiError, ZipError) as error:
                    await self._note(batch, item, error, errors)
                except (CutShortError, DamagedError) as error:  # an override asks for the words of what is no text
                    await self.fail(batch, item, "NOT_ACCEPTED", str(error))
                except files.FileError as error:
                    await self._set_free(batch, item, error)
                else:
                    values = {**{symbol: link.url for symbol, link in links.items()}, **needs.names(item), **words}
                    bound = {} if errors else {item.id: Prepared(item, bind(item.input, values), tuple(links.values()))}
                    prepared.update(bound)

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(upload, item)
        if errors:
            raise errors[0]
        return [prepared[item.id] for item in items if item.id in prepared]

    async def _note(
        self, batch: Batch, item: Item, error: ApiError | ZipError, errors: list[ApiError | ZipError]
    ) -> None:
        """A refused upload ends its item; any other trouble ends the turn, and what was uploaded stays so."""
        if isinstance(error, Rejected):
            await self.fail(batch, item, "UPLOAD_REFUSED", error.in_full)
        else:
            errors.append(error)

    async def _upload_shared(
        self, needs: RequiredAssets, items: list[Item], folder: FolderIo, *, by_reference: bool
    ) -> dict[str, Link]:
        """Links to the reference files, uploaded once for all items.

        Raises `RuleAtFault` for one that is refused, `files.FileError` for one that is not as it was.
        """
        contents = needs.shared(items)
        known = await self._uploads.known(contents.values()) if contents else {}
        unreadable = max((item.resent for item in items), default=0)
        by_reference = by_reference and not unreadable
        links: dict[str, Link] = {}
        for symbol, content in contents.items():
            try:
                links[symbol] = await self._uploads.link_of(
                    content, known.get(content.key), folder, unreadable=unreadable, by_reference=by_reference
                )
            except Rejected as refusal:
                await folder.read(content.require_unchanged)  # the rule has another one by now
                raise fault_of_reference(needs.rule, symbol, refusal.in_full) from refusal
        return links

    async def _without_large(self, batch: Batch, needs: RequiredAssets, items: list[Item]) -> list[Item]:
        """The items whose archive, if they need one, may be uploaded; the others fail."""
        fitting: list[Item] = []
        for item in items:
            try:
                needs.own(item)
            except ZipTooLarge as error:
                await self.fail(batch, item, "TOO_LARGE", str(error))
            else:
                fitting.append(item)
        return fitting

    async def _set_free(self, batch: Batch, item: Item, error: files.FileError) -> None:
        """The file is no longer what was hashed, or cannot be read now: intake decides about it anew."""
        now = self._context.clock.wall()
        gone = isinstance(error, files.Changed)
        state, code = (ItemState.SKIPPED, "CHANGED") if gone else (ItemState.WAITING, "UNREADABLE")
        await self._context.store.write(
            lambda connection: drop_from_batch(connection, batch, item, state, code, str(error), now)
        )
        reach("item.dropped")
        self._context.hint(item.rule, item.path)

    async def fail(self, batch: Batch, item: Item, code: str, reason: str) -> None:
        """An item that can never be sent ends; the rest of its batch goes on."""
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: drop_from_batch(connection, batch, item, ItemState.FAILED, code, reason, now)
        )
        reach("item.dropped")
        self._context.stage_events.deliver.notify()
        self._context.log_throttle.warning(reason, action="item.failed", rule=item.rule, code=code, path=item.path)
