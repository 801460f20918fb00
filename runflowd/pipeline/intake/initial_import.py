"""A rule that this state file has never seen: what lies in its folder may be old, and may have been bought already.

If the rule only got another name, it takes along what it did. Else, under `existing: skip`, what lies there is
recorded and left alone. Otherwise it is new work, unless its results lie in the output folder, as when the state
file was lost, or it is more than anybody may have meant: then an operator decides before money moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd import files
from runflowd.core.incident_scope import scopes_of
from runflowd.core.model import Existing
from runflowd.core.naming import EXTENSIONS, UnsafePathError, output_path
from runflowd.store.connection import stored_value
from runflowd.store.pauses import pause, pauses, resume
from runflowd.store.rule_edits import earlier_name, rename, seen_key
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.reconcile import FolderScanner
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection

log = structlog.get_logger()

ASKED, SEEN = "asked", "yes"

HELD = 0.5
"""Seconds between two looks whether the stages have put down what they hold of a rule to be renamed."""

FOLDERS = 2_000
"""Folders looked at for results of an earlier life; the first match is enough."""


class ImportDecision(StrEnum):
    """What is to be done about the files that lie in the folder of a rule."""

    OPEN = "open"
    """They are taken."""
    SKIP = "skip"
    """They are left alone, since the rule is new and says so."""
    ASK = "ask"
    """Nothing is touched until an operator has decided."""


@dataclass(frozen=True, slots=True)
class ImportVerdict:
    """A decision, and for `ASK` why; "" when the question was put before."""

    verdict: ImportDecision
    reason: str = ""


class InitialImport:
    """Decides once for each rule whether what lies there is imported."""

    def __init__(self, context: Context, scanner: FolderScanner) -> None:
        self._context = context
        self._scanner = scanner

    async def admits(self, watched: WatchedRule) -> bool:
        """Whether the rule's folder may be scanned; False while the operator has to decide."""
        name = watched.rule.name
        answer, paused = await self._context.store.read(lambda connection: recorded(connection, name))
        if answer is None and await self._took_over(watched):
            answer, paused = await self._context.store.read(lambda connection: recorded(connection, name))
        seen = await watched.folder_io.read(decide, watched, answer, paused, self._context.limits.unasked)
        if seen.verdict is ImportDecision.ASK:
            if seen.reason:
                await self._ask(name, seen.reason)
            return False
        if seen.verdict is ImportDecision.SKIP:
            await self._scanner.skip_all(watched)
        if answer != SEEN:
            now = self._context.clock.wall()
            await self._context.store.write(partial(_admit, rule=name, was_asked=bool(answer), now=now))
            reach("rule.opened")
        return True

    async def _took_over(self, watched: WatchedRule) -> bool:
        """Whether this was a new name of a rule; it then has what that did under its old one."""
        after, store = watched.rule.name, self._context.store
        before = await store.read(lambda connection: earlier_name(connection, watched.rule, self._context.rules))
        if not before:
            return False
        while not await store.write(lambda connection: rename(connection, before, after)):  # noqa: ASYNC110  a row sends no event
            await anyio.sleep(HELD)
        await self._context.incidents.resolve(*scopes_of(before))
        watched.text = watched.text.outdated()
        log.info("a rule got another name", action="rule.renamed", rule=after, before=before)
        return True

    async def _ask(self, rule: str, reason: str) -> None:
        def write(connection: Connection) -> None:
            connection.run("save_value", service="", key=seen_key(rule), value=ASKED)
            pause(connection, rule, reason, self._context.clock.wall())

        await self._context.store.write(write)
        log.error(reason, action="rule.paused", rule=rule)


def decide(watched: WatchedRule, answer: str | None, paused: bool, unasked: int | None) -> ImportVerdict:
    """What is to be done about what lies there, by what `recorded` gives. Changes nothing. Blocking."""
    if answer == SEEN:
        return ImportVerdict(ImportDecision.OPEN)
    if watched.rule.existing is Existing.SKIP:
        return ImportVerdict(ImportDecision.SKIP)
    if answer == ASKED:
        return ImportVerdict(ImportDecision.ASK if paused else ImportDecision.OPEN)
    if reason := _reason_to_ask(watched, unasked):
        return ImportVerdict(ImportDecision.ASK, reason)
    return ImportVerdict(ImportDecision.OPEN)


def recorded(connection: Connection, rule: str) -> tuple[str | None, bool]:
    """What is on record of a rule, and whether it is paused."""
    return stored_value(connection, "", seen_key(rule)), any(each.rule == rule for each in pauses(connection))


def _admit(connection: Connection, rule: str, *, was_asked: bool, now: float) -> None:
    connection.run("save_value", service="", key=seen_key(rule), value=SEEN)
    if was_asked:
        resume(connection, rule, now)


def _reason_to_ask(watched: WatchedRule, unasked: int | None) -> str:
    """Why an operator must decide about what lies there, and how; "" when there is no doubt. Blocking."""
    if found := _earlier_result(watched):
        return (
            f"this state file does not know the rule, but {watched.rule.output} has results for it already, such as "
            f"{found}: put the old state file back, keep them with `existing: skip`, or resume to buy them anew"
        )
    if unasked is not None and _holds_more_than(watched, unasked):
        return (
            f"the rule is new, and more than {unasked:,} files lie in {watched.rule.watch} already: "
            "resume to buy them all, or leave them alone with `existing: skip`"
        )
    return ""


def _holds_more_than(watched: WatchedRule, count: int) -> bool:
    paths = (listing.path_of(name) for listing in _all_of(watched) for name in listing.files)
    return next(islice(filter(watched.rule.matcher.matches, paths), count, None), None) is not None


def _all_of(watched: WatchedRule) -> Iterator[files.Listing]:
    """The folders that a rule may take something from."""
    scan = partial(files.scan_with_identity, on_progress=watched.folder_io.note_progress)
    return files.walk(watched.rule.watch, enter=lambda path: not watched.rule.matcher.prunes(path), scan=scan)


def _earlier_result(watched: WatchedRule) -> str:
    """A result in the output folder that belongs to a file in the watched one; "" when there is none. Blocking."""
    scan = partial(files.scan_with_identity, on_progress=watched.folder_io.note_progress)
    for listing in islice(_all_of(watched), FOLDERS):
        standing = scan(watched.rule.output, listing.relative)[0].files
        for path in (listing.path_of(name) for name in listing.files if standing):
            if watched.rule.matcher.matches(path) and (found := _result_of(watched, path, set(standing))):
                return found
    return ""


def _result_of(watched: WatchedRule, path: str, standing: set[str]) -> str:
    try:
        names = (output_path(watched.rule, path, extension) for extension in EXTENSIONS.values())
        return next((name for name in names if name.rpartition("/")[2] in standing), "")
    except UnsafePathError:
        return ""
