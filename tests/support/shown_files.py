"""Files with results, on disk and on record, for the screens that show them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.core.media.input_type import announced
from runflowd.core.recipe import recipe_hash
from runflowd.core.review import Place
from runflowd.core.snapshot import to_text
from runflowd.files import stat
from runflowd.store.arrivals import Arrival, arrive
from runflowd.store.history import record
from runflowd.store.items import item_at
from runflowd.store.outputs import collision
from runflowd.store.sealing import save_snapshot

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

ENDED = 1_800_000_000.0


def written(folder: str, path: str, data: bytes) -> Path:
    """A file below a folder."""
    place = Path(folder, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


async def done(
    context: Context,
    path: str,
    before: bytes,
    *after: tuple[str, bytes],
    cost: str | None = None,
    at: float = ENDED,
    in_force: bool = False,
) -> int:
    """A file that is done, with these results; gives the id of its item. `in_force`: under its rule as it is."""
    (rule,) = context.rules.values()
    written(rule.watch, path, before)
    for name, data in after:
        written(rule.output, name, data)
    return await context.store.write(
        lambda connection: _record(connection, rule, path, before, after, cost, at, in_force=in_force)
    )


def _record(
    connection: Connection,
    rule: Rule,
    path: str,
    before: bytes,
    after: tuple[tuple[str, bytes], ...],
    cost: str | None,
    at: float,
    *,
    in_force: bool,
) -> int:
    found = stat(rule.watch, path)
    assert found is not None
    content = hashlib.sha256(before).hexdigest()
    symbolic = rule.template.resolve(path)
    recipe = recipe_hash(rule.model, symbolic, rule.select, {}) if in_force else content
    snapshot = save_snapshot(connection, rule.name, to_text(rule))
    arrive(connection, Arrival(rule.name, path, found, content, announced(before), recipe, symbolic, snapshot), at)
    item = item_at(connection, rule.name, path)
    assert item is not None
    connection.raw.execute("UPDATE item SET state = 'done', ended_at = ?, cost = ? WHERE id = ?", (at, cost, item.id))
    record(connection, item.id, at, "its result is in place")
    for position, (name, data) in enumerate(after):
        _place(connection, rule, item.id, position, name, data, at)
    return item.id


def _place(connection: Connection, rule: Rule, item: int, position: int, name: str, data: bytes, at: float) -> None:
    content = hashlib.sha256(data).hexdigest()
    connection.run(
        "reserve_output",
        root=rule.output.encode(),
        relative=name.encode(),
        key=collision(f"{rule.output}/{name}"),
        item=item,
        position=position,
        content_hash=content,
        size=len(data),
        place=Place.OUTPUT,
    )
    path = f"{rule.output}/{name}"
    connection.run("output_written", key=collision(path), path=path.encode(), item=item, now=at)


async def delivered(context: Context, item: int, name: str, data: bytes) -> None:
    """A result that comes later."""
    (rule,) = context.rules.values()
    written(rule.output, name, data)
    await context.store.write(lambda connection: _place(connection, rule, item, 0, name, data, ENDED))


async def to_review(context: Context, item: int) -> None:
    """Let the result of a file that is done wait for a verdict."""
    sql = "UPDATE item SET review = 'waiting' WHERE id = ?"
    await context.store.write(lambda connection: connection.raw.execute(sql, (item,)).rowcount)
