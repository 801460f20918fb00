"""A rule that this state file has never seen: what lies in its folder may be old, and may have been bought already.

If the rule only got another name, it takes along what it did. Else, under `existing: skip`, what lies there is left
alone. Otherwise it is new work, unless its results lie in the output folder, as when the state file was lost: then an
operator decides before money moves. Of a crowd, more than is bought unasked, nothing is touched until some is approved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import islice, product
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd import files
from runflowd.core.approval import (
    APPROVAL_NEEDED,
    Approval,
    Crowd,
    Waiting,
    approval_hold,
    exceeds,
    in_words,
    is_held,
    total,
)
from runflowd.core.incident_scope import ScopeKind, scopes_of
from runflowd.core.model import Existing
from runflowd.core.naming import EXTENSIONS, UnsafePathError, output_path
from runflowd.core.review import Place, put_in
from runflowd.core.undeliverable import recipe_of
from runflowd.pipeline.intake.holds import hold_report
from runflowd.store.approvals import approval_of, save_approval
from runflowd.store.connection import stored_value
from runflowd.store.pauses import pause, pauses, resume
from runflowd.store.prices import Priced, expected_prices
from runflowd.store.rule_edits import earlier_name, seen_key, take_over
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.approval_policy import ApprovalPolicy
    from runflowd.core.model import Rule
    from runflowd.core.money import Price
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
    """A decision, and for `ASK` why; "" when the question was put before.

    `crowd` is how many files wait for an approval, 0 where it is a pause that asks.
    """

    verdict: ImportDecision
    reason: str = ""
    crowd: int = 0

    @property
    def code(self) -> str:
        """By which code a plan says that files wait for an operator."""
        return APPROVAL_NEEDED if self.crowd else "EXISTING"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is on record of a rule: what was answered about its folder, whether it is paused, and what is approved."""

    answer: str | None
    paused: bool
    approval: Approval


class InitialImport:
    """Decides once for each rule whether what lies there is imported."""

    def __init__(self, context: Context, scanner: FolderScanner) -> None:
        self._context = context
        self._scanner = scanner

    async def admits(self, watched: WatchedRule) -> bool:
        """Whether the rule's folder may be scanned; False while the operator has to decide."""
        known = await self._recorded(watched)
        if known.answer is None and await self._took_over(watched):
            known = await self._recorded(watched)
        seen = await watched.folder_io.read(decide, watched, known, self._context.money.of(watched.rule.name).approve)
        if watched.rule.name not in self._context.rules:
            return False  # edited away meanwhile
        if seen.verdict is ImportDecision.ASK:
            if seen.crowd:
                await self._ask_about(watched.rule, known.approval, seen.crowd)
            elif seen.reason:
                await self._ask(watched.rule.name, seen.reason)
            return False
        if seen.verdict is ImportDecision.SKIP:
            await self._scanner.skip_all(watched)
        if known.answer != SEEN:
            await self._admit(watched.rule.name, known, skipped=seen.verdict is ImportDecision.SKIP)
        return True

    async def _recorded(self, watched: WatchedRule) -> Recorded:
        return await self._context.store.read(lambda connection: recorded(connection, watched.rule))

    async def _admit(self, rule: str, known: Recorded, *, skipped: bool) -> None:
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            connection.run("save_value", service="", key=seen_key(rule), value=SEEN)
            if known.answer is not None:
                resume(connection, rule, now)
            if skipped:
                connection.run("drop_crowd", rule=rule)

        await self._context.store.write(write)
        await self._context.incidents.resolve(ScopeKind.BUDGET.of(rule))
        reach("rule.opened")

    async def _ask_about(self, rule: Rule, known: Approval, files: int) -> None:
        """Hold what was found until some of it is approved, and say so."""
        service, context, currency = self._context.service.name, self._context, self._context.money.currency
        money, now = context.money.of(rule.name), context.clock.wall()

        def read(connection: Connection) -> list[Price | None]:
            return expected_prices(connection, money, service, rule.model, [Priced(None, rule.input)], now, currency)

        cost = total(await context.store.read(read), files)
        found = replace(known, crowd=known.crowd or Crowd(files, cost.high if cost else None))
        if known.crowd is None:
            await context.store.write(partial(save_approval, rule=rule.name, recipe="", before=known, after=found))
        hold = approval_hold(rule.name, money.approve, found, Waiting(files, cost))
        leave = f"{hold.remedy}. `existing: skip` leaves them alone"
        report = hold_report(rule.name, replace(hold, remedy=leave), files, in_words(cost, currency))
        if report not in context.incidents.snapshot() and context.duties.takes_in(rule.name):
            await context.incidents.restate(report)

    async def _took_over(self, watched: WatchedRule) -> bool:
        """Whether this was a new name of a rule; it then has what that did under its old one."""
        context, rule = self._context, watched.rule
        while await context.store.read(lambda connection: earlier_name(connection, rule, context.rules)):
            if before := await context.store.write(lambda connection: take_over(connection, rule, context.rules)):
                await context.incidents.resolve(*scopes_of(before))
                watched.text = watched.text.outdated()
                log.info("a rule got another name", action="rule.renamed", rule=rule.name, before=before)
                return True
            await anyio.sleep(HELD)
        return False

    async def _ask(self, rule: str, reason: str) -> None:
        def write(connection: Connection) -> None:
            connection.run("save_value", service="", key=seen_key(rule), value=ASKED)
            pause(connection, rule, reason, self._context.clock.wall())

        await self._context.store.write(write)
        log.error(reason, action="rule.paused", rule=rule)


def decide(watched: WatchedRule, known: Recorded, approve: ApprovalPolicy) -> ImportVerdict:
    """What is to be done about what lies there, by what is on record. Changes nothing. Blocking."""
    if known.answer == SEEN:
        return ImportVerdict(ImportDecision.OPEN)
    if watched.rule.existing is Existing.SKIP:
        return ImportVerdict(ImportDecision.SKIP)
    if known.answer == ASKED and known.paused:
        return ImportVerdict(ImportDecision.ASK)
    if known.answer is None and known.approval.crowd is None and (found := _earlier_result(watched)):
        return ImportVerdict(ImportDecision.ASK, _old_results(watched.rule, found))
    if crowd := _crowd(watched, known.approval, approve):
        then = "" if known.approval.crowd else "once the daemon or `runflowd sync` has seen them, "
        why = f"the rule is new and finds {crowd:,} files; {then}`runflowd approve {watched.rule.name}` lets them pass"
        return ImportVerdict(ImportDecision.ASK, why, crowd)
    return ImportVerdict(ImportDecision.OPEN)


def recorded(connection: Connection, rule: Rule) -> Recorded:
    """What is on record of a rule."""
    paused = any(each.rule == rule.name for each in pauses(connection))
    approval = approval_of(connection, rule.name, recipe_of(rule))
    return Recorded(stored_value(connection, "", seen_key(rule.name)), paused, approval)


def _old_results(rule: Rule, found: str) -> str:
    return (
        f"this state file does not know the rule, but {rule.output} has results for it already, such as {found}: put "
        "the old state file back, keep them with `existing: skip`, or resume to buy them anew"
    )


def _crowd(watched: WatchedRule, known: Approval, approve: ApprovalPolicy) -> int:
    """How many files lie there, if they are more than are bought unasked and none of them is approved. Blocking."""
    if known.crowd is not None:
        return known.crowd.files if is_held(approve, known) else 0
    if approve.above_files is None or known.everything:
        return 0
    paths = (listing.path_of(name) for listing in _all_of(watched) for name in listing.files)
    files = sum(map(watched.rule.matcher.matches, paths))
    return files if exceeds(approve, files - known.approved, None) else 0


def _all_of(watched: WatchedRule) -> Iterator[files.Listing]:
    """The folders that a rule may take something from."""
    scan = partial(files.scan_with_identity, on_progress=watched.folder_io.note_progress)
    return files.walk(watched.rule.watch, enter=lambda path: not watched.rule.matcher.prunes(path), scan=scan)


def _earlier_result(watched: WatchedRule) -> str:
    """A result in the output folder that belongs to a file in the watched one; "" when there is none. Blocking."""
    scan = partial(files.scan_with_identity, on_progress=watched.folder_io.note_progress)
    for listing, place in product(islice(_all_of(watched), FOLDERS), Place):
        standing = scan(watched.rule.output, put_in(place, listing.relative).rstrip("/"))[0].files
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
