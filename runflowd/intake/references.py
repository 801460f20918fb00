"""Reference files of a rule: read when they change, so that every purchase says which version went along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.imagetype import Whole, check
from runflowd.core.model import Reference
from runflowd.failpoints import reach
from runflowd.incidents import Trouble, files_scope, rule_scope
from runflowd.snapshot import to_text
from runflowd.store.sealing import save_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.context import Context
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection


async def follow_references(context: Context, shelf: Shelf) -> bool:
    """Bring a shelf's references, and the rule text that names them, up to date; False when one is unusable.

    Without its references nothing of the rule is accepted: files wait, and the incident says for what.
    """
    rule = shelf.rule
    try:
        found = await shelf.asking.ask(read_references, rule.files, shelf.references)
    except files.FileTrouble as trouble:
        message = f"rule {rule.name}: a file named under `files` cannot be used: {trouble}"
        remedy = "Put the file there or correct the rule; what was dropped waits"
        await context.incidents.report(Trouble(files_scope(rule.name), "REFERENCE_UNUSABLE", message, remedy))
        return False
    await context.incidents.over(files_scope(rule.name))
    if found != shelf.references or not shelf.snapshot:
        shelf.references = found
        text = to_text(rule, found)
        shelf.snapshot = await context.store.write(lambda connection: _renew(connection, rule.name, text))
        await context.incidents.over(rule_scope(rule.name))  # what was wrong with the rule as it was
        context.bells.dispatch.ring()
        reach("rule.worded")
        shelf.reworded = True
    return True


def _renew(connection: Connection, rule: str, text: str) -> str:
    """Keep a rule text; batches that were sealed under another one are due, to be bought or put back."""
    snapshot = save_snapshot(connection, rule, text)
    connection.run("wake_outdated_batches", rule=rule, snapshot=snapshot)
    return snapshot


def read_references(paths: Mapping[str, str], before: Mapping[str, Reference]) -> dict[str, Reference]:
    """Reference files by name as they are; what did not change since `before` is not read again. Blocking.

    Raises `FileTrouble` when one cannot be read.
    """
    return {name: _read(path, before.get(name)) for name, path in paths.items()}


def _read(path: str, before: Reference | None) -> Reference:
    """What a reference file is now; read again only if it changed."""
    folder, _, name = path.rpartition("/")
    stat = files.stat(folder or "/", name)
    if stat is None:
        raise files.Missing("read", path)
    if before is not None and before.stat == stat:
        return before
    with files.image_source(folder or "/", name) as source:
        found = check(source)
    mime = found.type.mime if isinstance(found, Whole) else "application/octet-stream"
    return Reference(path, stat, files.hash_file(folder or "/", name, stat), mime)
