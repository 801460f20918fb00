"""After a refusal: whom it blames, what is learnt from it, and what the one at fault is told."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from runflowd.core.blame import MODEL, SentItem, judge
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable, scrubbed
from runflowd.core.refusal import CALLBACK_URL, OPTIONAL_FIELDS, BodyFormat
from runflowd.core.rules import BAD_OVERRIDE, OVERRIDE_NAME
from runflowd.core.suspicion import Cause, Suspicion
from runflowd.dispatch.habits import learn, learn_omitted
from runflowd.errors import RunflowdError
from runflowd.failpoints import reach
from runflowd.snapshot import from_text
from runflowd.store.batches import drop_from_batch
from runflowd.store.facts import fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.api.errors import Rejected
    from runflowd.context import Context
    from runflowd.core.blame import Blame, Verdict
    from runflowd.core.model import Json, Rule
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item

log = structlog.get_logger()

_SHOWN = 80
"""Characters of a refused value that are shown."""

_SECRET_NAMES = ("key", "token", "secret", "password", "credential", "auth")


class RuleAtFault(RunflowdError):
    """The service refuses what a rule says; nothing was bought, and its files wait."""

    def __init__(self, sentence: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(sentence)


ASK_AGAIN = 20.0
"""Seconds until a file is asked about again that was refused without a reason: another may be refused meanwhile."""


class AskAgain(RunflowdError):
    """Some of a batch is open still, such as whether a file or its rule is at fault: once more after `seconds`."""

    def __init__(self, sentence: str, seconds: float = ASK_AGAIN) -> None:
        self.seconds = seconds
        super().__init__(sentence)


class Refusals:
    """What both kinds of purchases, batches and single runs, do about a refusal."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def judge(self, snapshot: str, wording: BodyFormat, items: Sequence[Item], refusal: Rejected) -> Verdict:
        """Whom a refusal blames; `fields` are those that the body has."""
        problems = [(problem.loc, problem.message) for problem in refusal.problems]
        sent = [SentItem(item.path, item.input if isinstance(item.input, dict) else {}) for item in items]
        template = from_text(snapshot).input
        return judge(problems, told_by(refusal), shape=wording.shape, template=template, items=sent)

    def in_use(self, wording: BodyFormat) -> frozenset[str]:
        """The optional fields of a body in this wording."""
        unset = frozenset() if self._context.remote.callback_url else frozenset({CALLBACK_URL})
        return OPTIONAL_FIELDS - wording.omitted - unset

    async def omit(self, batch: Batch, wording: BodyFormat, fields: frozenset[str], refusal: Rejected) -> BodyFormat:
        """Leave fields out of a shape from now on; give the wording without them."""
        without = BodyFormat(wording.shape, wording.omitted | fields)
        url = self._context.remote.callback_url
        await self._context.store.write(lambda connection: learn_omitted(connection, batch.service, without, url))
        reach("body.learnt")
        names = ", ".join(sorted(fields))
        sentence = f"the service refuses {names} in the body of a purchase, so it is left out from now on: {refusal}"
        log.warning(sentence, action="body.field_refused", rule=batch.rule, fields=names)
        return without

    def fault_of_rule(self, snapshot: str, blame: Blame, refusal: Rejected) -> RuleAtFault:
        """The rule says something that the service does not take, and the service names it."""
        rule = from_text(snapshot)
        key = ("model",) if blame.key == (MODEL,) and MODEL not in rule.input else ("input", *blame.key)
        place = self._place(rule.name, key)
        named = f"`{_shown(rule, key)}`{f' ({place})' if place else ''}"
        sentence = f"rule {rule.name}: the service refuses {named}: {blame.message or refusal}. Nothing was bought"
        remedy = f"Correct it in {place or f'rule {rule.name}'}; {_GOES_ON}"
        return RuleAtFault(printable(scrubbed(sentence)), remedy)

    def fault_unnamed(self, rule: str, refusal: Rejected) -> RuleAtFault:
        """Different files of a rule are refused alike, and the service does not say for what."""
        place = self._place(rule, ("input",))
        where = f"rule {rule}{f' ({place})' if place else ''}"
        sentence = f"{where}: the service refuses different files alike and does not say what is wrong: {refusal}"
        remedy = f"Compare `model` and `input` with what `runflowd check --online` says and correct them; {_GOES_ON}"
        return RuleAtFault(sentence, f"{remedy}. If it is the files, take them out of the folder")

    def _place(self, rule: str, key: tuple[str | int, ...]) -> str:
        """`file:line` of a key of a rule, or of the nearest one above it; "" where that is not known."""
        known = self._context.places.get(rule, {})
        return next((known[key[:n]] for n in range(len(key), -1, -1) if key[:n] in known), "")

    async def hold_for_folder(self, batch: Batch, item: Item, snapshot: str, blame: Blame, refusal: Rejected) -> None:
        """The value comes from a `_runflow.yaml`: its file waits until that says something else."""
        rule, folder = from_text(snapshot), item.path.rpartition("/")[0]
        place = "/".join(filter(None, (rule.watch, folder, OVERRIDE_NAME)))
        key = ".".join(map(str, blame.key))
        reason = f"{place}, or one above it: {key}: the service refuses this value: {blame.message or refusal}"
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: drop_from_batch(
                connection, batch, item, ItemState.WAITING, BAD_OVERRIDE, printable(scrubbed(reason)), now
            )
        )
        reach("item.dropped")
        self._context.bells.deliver.ring()
        self._context.storms.warning(reason, action="item.waiting", rule=item.rule, code=BAD_OVERRIDE, path=item.path)

    async def cause_of(self, batch: Batch, items: Sequence[Item], refusal: Rejected) -> Cause:
        """What a refusal without a name of these items is taken for, and keep it in mind."""
        now = self._context.clock.wall()

        def write(connection: Connection) -> Cause:
            known = _suspicion(connection, batch)
            if len(items) > 1:
                known, cause = known.of_batch(told_by(refusal))
            else:
                known, cause = known.of_file(told_by(refusal), items[0].content or "", now)
            _remember(connection, batch, known)
            return cause

        return await self._context.store.write(write)


_GOES_ON = "nothing was bought, and all its files go on by themselves then"


def told_by(refusal: Rejected) -> str:
    """The service's own words: its code and its sentence."""
    return f"{refusal.code} {refusal.message}".strip()


def relieve(connection: Connection, batch: Batch, now: float) -> None:
    """A purchase was taken, so what was refused under the same rule text was not the rule's."""
    _remember(connection, batch, _suspicion(connection, batch).relieved(now))


def _suspicion(connection: Connection, batch: Batch) -> Suspicion:
    text = fact(connection, batch.service, f"unexplained:{batch.snapshot}")
    if not text:
        return Suspicion()
    values = json.loads(text)
    return Suspicion(**{**values, "files": tuple(values["files"]), "guilty": tuple(values["guilty"])})


def _remember(connection: Connection, batch: Batch, known: Suspicion) -> None:
    learn(connection, batch.service, f"unexplained:{batch.snapshot}", json.dumps(asdict(known)))


def _shown(rule: Rule, key: tuple[str | int, ...]) -> str:
    """A key of a rule with its value, unless that is a secret or not there."""
    name = ".".join(map(str, key))
    value: Json = {"model": rule.model, "input": rule.input}
    for part in key:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return name
    if any(word in name.lower() for word in _SECRET_NAMES):
        return f"{name}: ***"
    text = json.dumps(value, ensure_ascii=False)
    return f"{name}: {text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'}"
