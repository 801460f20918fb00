"""The one thing that the page can do: try a failed file again, exactly as touching the file would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.store.items import item_from
from runflowd.store.retries import ask_again

if TYPE_CHECKING:
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.items import Item


async def retry(context: Context, reference: str) -> Item | None:
    """Have a failed file looked at anew; None when no such file has failed, or its rule is gone.

    Nothing is bought by this: the file is hashed and judged again, and what is the same as something
    bought before takes that result.
    """

    def write(connection: Connection) -> Item | None:
        row = connection.one("failed_by_reference", reference=reference)
        if row is None or row["rule"] not in context.rules:
            return None
        ask_again(connection, row["id"], context.clock.wall())
        return item_from(row)

    item = await context.store.write(write)
    if item is not None:
        context.hint(item.rule, item.path)
    return item
