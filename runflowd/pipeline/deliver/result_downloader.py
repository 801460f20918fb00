"""Where the bytes of a result come from: the service, or a result that was paid for before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from runflowd import files
from runflowd.api.errors import ApiError, Expired, Gone, Transient
from runflowd.core.outputs import OutputRef, extract, renewed
from runflowd.errors import RunflowdError
from runflowd.store.batches import batch_from
from runflowd.store.items import item_by_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from runflowd.core.model import Json, Rule
    from runflowd.files import Draft
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.store.items import Item
    from runflowd.store.outputs import Output

MAX_PAGES = 200

WRITE_TIMEOUT = 10.0
"""Seconds for which a download is kept open for a write: its place at the storage may serve another rule."""

PIECE = 256 * 1024
"""Bytes gathered before a thread writes and hashes them; the last ones are written with what checks and syncs them."""


MAX_CUTS = 32
"""Times that a download goes on after a cut, as long as each brought something."""


class NoResult(RunflowdError):
    """The service says the item succeeded, and there is nothing to fetch. The sentence is shown beside its file."""


@dataclass(slots=True)
class _Fetched:
    """What is known of a download over all its tries."""

    url: str
    renewed: bool = False
    mime_type: str = ""
    validator: str = ""


class ResultDownloader:
    """Finds and downloads results."""

    def __init__(self, context: Context, output_io: OutputIo) -> None:
        self._context = context
        self._output_io = output_io

    async def references(self, item: Item, rule: Rule) -> tuple[OutputRef, ...]:
        """Where the results of an item are. Reads the service again when nothing is on record, or a try has failed."""
        output = item.output if item.output is not None else await self.read_again(item)
        found = extract(output, rule.select)
        if not found:
            what = f"none of them matches `select: {rule.select}`" if rule.select else "the service lists none"
            raise NoResult(f"there are no outputs to fetch: {what}")
        return await self._with_fresh_links(item, rule, found) if item.attempts and item.output is not None else found

    async def _with_fresh_links(self, item: Item, rule: Rule, found: tuple[OutputRef, ...]) -> tuple[OutputRef, ...]:
        """The same by links made just now, as far as the service gives any: the others may still lead somewhere."""
        try:
            again = extract(await self.read_again(item), rule.select)
        except (NoResult, ApiError):
            return found
        return tuple(renewed(found, index, again) or one for index, one in enumerate(found))

    async def read_again(self, item: Item) -> Json:
        """The output of an item as the service shows it now, with freshly signed URLs."""
        api = self._context.service.api
        if item.run_id:
            return (await api.run(item.run_id)).output
        row = await self._context.store.read(lambda connection: connection.one("batch", id=item.batch))
        batch = batch_from(row) if row else None
        cursor: str | None = None
        for _ in range(MAX_PAGES if batch and batch.remote_id else 0):
            assert batch is not None
            page = await api.items(batch.remote_id or "", cursor)
            for answer in page.items:
                if answer.client_ref == item.client_ref:
                    return answer.output
            cursor = page.next
            if cursor is None:
                break
        raise NoResult("the service does not show its result any more")

    async def download(
        self, item: Item, rule: Rule, references: tuple[OutputRef, ...], index: int, draft: Draft
    ) -> str:
        """Write one of an item's results into a draft; give the MIME type that the service declares for it.

        A link that expired, or leads nowhere, is renewed once. After a cut only the rest is fetched, where the storage
        can tell that it is the rest of the same.
        """
        fetched = _Fetched(references[index].url)
        cuts = 0
        while True:
            before = draft.size
            try:
                await self._stream(fetched, rule, draft)
            except (Expired, Gone, Transient):
                if draft.size > before and fetched.validator and cuts < MAX_CUTS:
                    cuts += 1
                elif not await self._renew(fetched, item, rule, references, index, draft):
                    raise
            else:
                return fetched.mime_type

    async def _renew(
        self, fetched: _Fetched, item: Item, rule: Rule, references: tuple[OutputRef, ...], index: int, draft: Draft
    ) -> bool:
        """Whether there is another link to try. The embedded service listens elsewhere after a restart."""
        if fetched.renewed or (draft.size and not fetched.validator):
            return False
        again = renewed(references, index, extract(await self.read_again(item), rule.select))
        if again is None or again.url == fetched.url:
            return False
        fetched.url, fetched.renewed = again.url, True
        return True

    async def _stream(self, fetched: _Fetched, rule: Rule, draft: Draft) -> None:
        """Download into a draft. A write that hangs is waited for here, and not while a download is open for it."""
        trouble: list[Exception] = []
        async with anyio.create_task_group() as writing:
            try:
                await self._receive(fetched, draft, partial(self._written, writing, rule))
            except Exception as error:  # noqa: BLE001  raised below: a task group would wrap it
                trouble.append(error)
        if trouble:
            raise trouble[0]

    async def _receive(
        self, fetched: _Fetched, draft: Draft, write: Callable[[Callable[[], None]], Awaitable[None]]
    ) -> None:
        start = draft.size
        async with self._context.service.api.download(fetched.url, draft.limit, start, fetched.validator) as body:
            if body.start != start:
                await write(draft.restart)
            fetched.mime_type, fetched.validator = body.mime_type, body.validator
            async for chunk in body.chunks:
                draft.take(chunk)
                if draft.pending >= PIECE:
                    await write(draft.write_pending)

    async def _written(self, writing: TaskGroup, rule: Rule, change: Callable[[], None]) -> None:
        """Have a draft changed; raise what the disk says, or Busy when it says nothing for too long."""
        done = anyio.Event()
        trouble: list[Exception] = []

        async def write() -> None:
            try:
                await self._output_io.run(rule, change)
            except Exception as error:  # noqa: BLE001  raised by who waits for it
                trouble.append(error)
            done.set()

        writing.start_soon(write)
        with anyio.move_on_after(WRITE_TIMEOUT):
            await done.wait()
        if not done.is_set():
            raise files.Busy("write into", rule.output, what="its disk does not answer")
        if trouble:
            raise trouble[0]

    async def paid_before(self, item: Item) -> Item:
        """The item that was paid for, the result of which is this one's as well."""
        origin = item
        while origin.batch is None and origin.duplicate_of is not None:
            origin = await self._source_of(origin)
        return origin

    async def _source_of(self, item: Item) -> Item:
        number = item.duplicate_of or 0
        found = await self._context.store.read(lambda connection: item_by_id(connection, number))
        if found is None:
            raise NoResult("the result it was to share is not on record any more")
        return found


def intact(output: Output) -> bool:
    """Whether an output still is what was written, or was about to be."""
    standing = files.stat(*output.path)
    if standing is None or standing.size != output.size:
        return False
    try:
        return files.hash_file(*output.path, standing) == output.content_hash
    except files.FileError:
        return False
