"""What would become of every file of a rule if the work began now; nothing is written and nothing is sent.

It goes the way of a rescan and of accepting, with the same matcher, tracker, inspection and decisions, but
records nothing. Memory does not grow with the number of files.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.chains import downstream, makers
from runflowd.core.droppings import BAD_OVERRIDE
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import AfterKind
from runflowd.core.money import Money
from runflowd.core.stability import Gone, Stable
from runflowd.errors import ConfigError
from runflowd.pipeline.intake.acceptor import PAGE, arrival, arrival_again
from runflowd.pipeline.intake.fates import FATES, REFUSED, Fate, Planned
from runflowd.pipeline.intake.findings import Finding, Good, Refused, Unfinished
from runflowd.pipeline.intake.initial_import import ImportDecision, decide, recorded
from runflowd.pipeline.intake.inspect import look_at, read_all
from runflowd.pipeline.intake.output_places import outputs_of
from runflowd.pipeline.intake.overrides import Overrides
from runflowd.pipeline.intake.plan_folders import ask, listings, other_entries
from runflowd.pipeline.intake.reconcile import LEFT_OUT, is_changed
from runflowd.pipeline.intake.references import read_references
from runflowd.pipeline.intake.roots import doubtful, judged, samples_of, strangeness, survey
from runflowd.pipeline.intake.watched_rule import RuleText, WatchedRule
from runflowd.pipeline.io_guard import FolderIo
from runflowd.store.arrivals import foresee, foresee_again
from runflowd.store.duplicates import OWN_RESULT, own_result
from runflowd.store.items import item_by_id
from runflowd.store.known import Known, known_in_folder
from runflowd.store.pauses import EVERY_RULE, pauses
from runflowd.store.plans import plan_purchase
from runflowd.store.prices import Priced
from runflowd.store.roots import roots_of
from runflowd.system import deadline
from runflowd.system.deadline import NoAnswer, within

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from runflowd.config import Limits
    from runflowd.core.arrival import Decision
    from runflowd.core.model import Json, Reference, Rule, Stat
    from runflowd.core.money import Price
    from runflowd.store import Connection
    from runflowd.store.arrivals import Arrival
    from runflowd.store.roots import Roots


class Planning:
    """Plans rules one by one. Blocking.

    Args:
        connection: The state file as `open_for_plan` gives it.
        limits: How large a file may be.
        now: Monotonic seconds.
        sleep: Sleeps for so many seconds: a file must stand still before it counts as stable.
        rules: All rules of the configuration: what those further down the chain made is not taken.
        money: When a new rule asks before it buys.
    """

    def __init__(
        self,
        connection: Connection,
        limits: Limits,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        rules: Collection[Rule] = (),
        money: Money | None = None,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._now = now
        self._sleep = sleep
        self._rules = rules
        self._money = money or Money()

    def plan(self, rule: Rule, price: Callable[[Priced], Price | None] = lambda _: None) -> Iterator[Planned]:
        """Every file below the watched folder of a rule; `price` says what one costs."""
        self._price = price
        try:
            yield from self._of(WatchedRule.of(rule, FolderIo()))
        except NoAnswer as silence:  # be it in the middle: what else lies there is not known
            yield Planned("/", Fate.WAIT, 0, "WATCH_TIMEOUT", str(silence))

    def _of(self, watched: WatchedRule) -> Iterator[Planned]:
        rule = watched.rule
        try:
            for folder in (rule.watch, rule.output):
                within(deadline.ANSWER_TIMEOUT, folder, os.path.lexists, folder)
            watched.roots = self._roots(watched)
            with suppress(NoAnswer):  # somebody else's output; nothing of it is met here then
                within(deadline.ANSWER_TIMEOUT, rule.output, watched.outputs.refresh, outputs_of(rule, self._rules))
        except files.FileError:
            if makers(self._rules, rule) and not roots_of(self._connection, rule.name).folders:
                return  # it is made for the first result of another rule
            yield Planned("/", Fate.WAIT, 0, "WATCH_MISSING", f"the watched folder {rule.watch} is not there")
            return
        if watched.roots.strange:
            report = strangeness(rule, watched.roots)
            for path in sorted(watched.roots.strange):
                yield Planned(f"{path}/", Fate.WAIT, 0, report.code, f"{report.message}. {report.remedy}")
            if watched.roots.is_strange(""):
                return
        try:
            references: dict[str, Reference] = {}
            for name, path in rule.files.items():
                references |= within(deadline.ANSWER_TIMEOUT, path, read_references, {name: path}, {})
            watched.text = RuleText("", references)
        except files.FileError as error:
            yield Planned("/", Fate.WAIT, 0, "REFERENCE_UNUSABLE", f"a file named under `files` is missing: {error}")
            return
        held = self._held(rule)
        for planned in self._walk(watched, held):
            stopped = held and planned.fate is Fate.BUY
            yield replace(planned, fate=Fate.WAIT, code="PAUSED", why=held) if stopped else planned

    def _roots(self, watched: WatchedRule) -> Roots:
        """Who the watched folder is, as a rescan would judge it. Raises FileError."""
        name = watched.rule.name
        known = roots_of(self._connection, name)
        found = ask(watched, survey, watched, known)
        samples = samples_of(self._connection, name, doubtful(known, found))
        return ask(watched, judged, watched.rule, known, found, samples)

    def _held(self, rule: Rule) -> str:
        """Why nothing is bought for a rule at present; "" where that is not so."""
        found = next((each for each in pauses(self._connection) if each.rule in {EVERY_RULE, rule.name}), None)
        return f"{found.subject} is paused: {found.reason or 'somebody asked'}; {found.remedy}" if found else ""

    def _walk(self, watched: WatchedRule, held: str) -> Iterator[Planned]:
        rule = watched.rule
        approve = self._money.of(rule.name).approve
        initial = ask(watched, decide, watched, recorded(self._connection, rule), approve)
        for listing in listings(watched):
            yield from other_entries(watched, listing)
            known = known_in_folder(self._connection, rule.name, listing.relative)
            overrides = cache(partial(ask, watched, Overrides(rule).for_folder))
            for name, stat in listing.files.items():
                path, before = listing.path_of(name), known.get(name)
                if before is not None and not is_changed(before, stat):
                    yield self._standing(watched, path, before, overrides)
                elif reason := watched.rule.matcher.why_not(path):
                    yield Planned(path, Fate.LEFT_OUT, stat.size, "EXCLUDED", reason)
                elif initial.verdict is ImportDecision.SKIP:
                    yield Planned(path, Fate.LEFT_OUT, stat.size, *LEFT_OUT)
                elif initial.verdict is ImportDecision.ASK:
                    yield Planned(path, Fate.WAIT, stat.size, initial.code, initial.reason or held)
                else:
                    yield from self._track(watched, path, stat)
        yield from self._stable(watched)

    def _track(self, watched: WatchedRule, path: str, stat: Stat) -> Iterator[Planned]:
        if not watched.stability.see(path, stat, self._now()):
            yield from self._stable(watched)
            watched.stability.see(path, stat, self._now())

    def _stable(self, watched: WatchedRule) -> Iterator[Planned]:
        """What becomes of the tracked files, each checked once more when it should be stable."""
        while (deadline := watched.stability.next_deadline()) is not None:
            self._sleep(max(0.0, deadline - self._now()))
            paths = watched.stability.due(self._now(), PAGE)
            seen = ask(watched, look_at, watched.rule.watch, paths, watched.folder_io.note_progress)
            stable: dict[str, Stat] = {}
            for path in paths:
                if path not in seen:
                    yield Planned(path, Fate.WAIT, 0, "UNREADABLE", "it cannot be looked at")
                    watched.stability.forget(path)
                    continue
                match watched.stability.confirm(path, seen[path], self._now()):
                    case Stable(stat=stat):
                        stable[path] = stat
                    case Gone():
                        pass
                    case unstable:
                        size = (seen[path] or (0,))[0]
                        yield Planned(path, Fate.WAIT, size, "EMPTY" if not size else "STILL_CHANGING", unstable.reason)
                watched.stability.forget(path)
            limit, progress = self._limits.upload_size, watched.folder_io.note_progress
            for path, finding in ask(watched, read_all, watched.rule, stable, limit, {}, progress):
                yield self._found(watched, path, stable[path], finding)

    def _found(self, watched: WatchedRule, path: str, stat: Stat, finding: Finding) -> Planned:
        match finding:
            case Good():
                return self._whole(watched, path, finding)
            case Refused():
                return Planned(path, REFUSED[finding.state], stat.size, finding.code, finding.reason)
            case Unfinished():
                return Planned(path, Fate.WAIT, stat.size, finding.code, finding.reason)
            case _:
                return Planned(path, Fate.WAIT, stat.size, "STILL_CHANGING", "the file changed while it was read")

    def _whole(self, watched: WatchedRule, path: str, found: Good) -> Planned:
        """What becomes of a file that could be sent."""
        disposed = watched.rule.after.kind is not AfterKind.KEEP
        arriving = arrival(self._connection, watched, path, found)
        makers = [each.name for each in downstream(watched.rule, self._rules)]
        if why := own_result(self._connection, arriving, makers):
            return Planned(path, Fate.LEFT_OUT, found.stat.size, OWN_RESULT, why)
        existing, decision = foresee(self._connection, arriving, disposed=disposed)
        if existing and decision.touch and decision.state is existing.state:
            return Planned(path, FATES[existing.state], found.stat.size, existing.failure_code, existing.failure)
        return self._decided(arriving, decision)

    def _decided(self, arriving: Arrival, decision: Decision) -> Planned:
        path, size = arriving.path, arriving.stat.size
        if decision.state is ItemState.READY:
            other = plan_purchase(self._connection, arriving)
            if other is None:
                priced = Priced(arriving.recipe_hash, arriving.input, arriving.pixels)
                return Planned(path, Fate.BUY, size, price=self._price(priced))
            return Planned(path, Fate.TAKE, size, "", f"the same content as {other}, which would be bought")
        original = item_by_id(self._connection, decision.original) if decision.original is not None else None
        if decision.state is ItemState.OUTCOME_UNKNOWN:
            why = "the same content as another file, and whether that was bought is not known"
            return Planned(path, Fate.ASK, size, "ORIGINAL_UNKNOWN", why)
        return Planned(
            path, Fate.TAKE, size, "", f"the same content as {original.path}" if original else "it was bought before"
        )

    def _standing(
        self, watched: WatchedRule, path: str, known: Known, overridden: Callable[[str], dict[str, Json]]
    ) -> Planned:
        """A file that is as it was when its row was written; `overridden` gives what its folder sets."""
        fate, size = FATES[known.state], known.stat.size
        if fate in {Fate.DONE, Fate.SEALED, Fate.UNDER_WAY}:  # no more is to be said, and there are very many of them
            return Planned(path, fate, size)
        item = item_by_id(self._connection, known.id)
        if item is None:  # moved on since the folder was looked at
            return Planned(path, Fate.UNDER_WAY, size)
        if item.state is not ItemState.READY:
            return Planned(path, fate, size, item.failure_code, item.failure)
        if reason := watched.rule.matcher.why_not(path):
            return Planned(path, Fate.LEFT_OUT, size, "EXCLUDED", reason)
        try:
            overrides = overridden(path.rpartition("/")[0])
        except (ConfigError, files.FileError) as mistake:
            return Planned(path, Fate.WAIT, size, BAD_OVERRIDE, str(mistake))
        anew = arrival_again(watched, item, overrides)
        return self._decided(anew, foresee_again(self._connection, item, anew))
