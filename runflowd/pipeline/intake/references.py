"""Reference files of a rule: read when they change, so that every purchase says which version went along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.media.image_type import SNIFF_BYTES, Partial
from runflowd.core.media.input_type import Acceptable, Doubtful, check
from runflowd.core.media.kinds import MediaKind
from runflowd.core.media.result_kind import UNKNOWN
from runflowd.core.media.signatures import mime_of
from runflowd.core.model import Reference
from runflowd.core.snapshot import to_text
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline.intake.inspect import OTHER_MEDIA
from runflowd.pipeline.intake.watched_rule import Inputs, RuleText
from runflowd.store.connection import stored_value
from runflowd.store.sealing import save_snapshot
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection


class Unfinished(files.FileError):
    """A reference whose end is missing: somebody still copies it, or a copy broke off."""

    remedy = "It is used once it is whole; what was dropped waits."


ACCEPTED = "accept "
"""The beginning of the key under which it is on record which kinds of file a rule takes."""


async def update_references(context: Context, watched: WatchedRule) -> None:
    """Bring a rule's references, and the rule text that names them, up to date.

    Without its references nothing of the rule is accepted: files wait, and the incident says for what.
    """
    rule = watched.rule
    try:
        found = await watched.folder_io.read(read_references, rule.files, watched.text.references)
    except files.FileError as error:
        message = f"rule {rule.name}: a file named under `files` cannot be used: {error.sentence}"
        remedy = error.advice or "Put the file there or correct the rule; what was dropped waits"
        await context.incidents.report(
            IncidentReport(ScopeKind.FILES.of(rule.name), "REFERENCE_UNUSABLE", message, remedy)
        )
        watched.text = watched.text.without_reference()
        return
    await context.incidents.resolve(ScopeKind.FILES.of(rule.name))
    if found == watched.text.references and watched.text.snapshot:
        watched.text = watched.text.with_references()
    else:
        text = to_text(rule, found)
        snapshot = await context.store.write(lambda connection: _renew(connection, rule, text))
        watched.text = RuleText(snapshot, found, Inputs.STALE)
        await context.incidents.resolve(ScopeKind.RULE.of(rule.name))  # what was wrong with the rule as it was
        context.stage_events.dispatch.notify()
        reach("rule.worded")


def _renew(connection: Connection, rule: Rule, text: str) -> str:
    """Keep a rule text; batches that were sealed under another one are due, to be bought or put back.

    Where the rule takes other kinds of file than before, what was left out for its kind is looked at once more.
    """
    snapshot = save_snapshot(connection, rule.name, text)
    connection.run("wake_outdated_batches", rule=rule.name, snapshot=snapshot)
    key, kinds = f"{ACCEPTED}{rule.name}", " ".join(rule.accept)
    if kinds != (stored_value(connection, "", key) or MediaKind.IMAGE):
        connection.run("save_value", service="", key=key, value=kinds)
        connection.run("request_rescan_of_skipped", rule=rule.name, code=OTHER_MEDIA)
    return snapshot


def read_references(paths: Mapping[str, str], before: Mapping[str, Reference]) -> dict[str, Reference]:
    """Reference files by name as they are; what did not change since `before` is not read again. Blocking.

    Raises `FileError` when one cannot be read.
    """
    return {name: _read(path, before.get(name)) for name, path in paths.items()}


def _read(path: str, before: Reference | None) -> Reference:
    """What a reference file is now; read again only if it changed. Raises `Unfinished` while its end is missing."""
    folder, _, name = path.rpartition("/")
    stat = files.stat(folder or "/", name)
    if stat is None:
        raise files.Missing("read", path)
    if before is not None and before.stat == stat:
        return before
    with files.open_source(folder or "/", name) as source:
        found, head = check(source, tuple(MediaKind)), source.read(0, SNIFF_BYTES)
    if isinstance(found, Partial):
        raise Unfinished("use", path, what=found.reason)
    mime = found.mime if isinstance(found, Acceptable | Doubtful) else mime_of(head) or UNKNOWN
    return Reference(path, stat, files.hash_file(folder or "/", name, stat), mime)
