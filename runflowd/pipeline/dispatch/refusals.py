"""After a refusal: whom it blames, what is learnt from it, and what is reported to the one at fault."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from runflowd.core.blame import judge
from runflowd.core.droppings import BAD_OVERRIDE
from runflowd.core.lifecycle import ItemState
from runflowd.core.refusal import CALLBACK_URL, OPTIONAL_FIELDS, BodyFormat
from runflowd.core.snapshot import from_text
from runflowd.core.suspicion import Cause, Suspicion
from runflowd.errors import RunflowdError
from runflowd.pipeline.dispatch.habits import learn, learn_omitted
from runflowd.pipeline.rule_fault import (
    GOES_ON,
    IN_LOG,
    RuleAtFault,
    fault_of_folder,
    fault_of_rule,
    place_of,
    sent_item,
)
from runflowd.store.connection import stored_value
from runflowd.store.unbought import drop_from_batch
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.api.errors import Rejected
    from runflowd.core.blame import Verdict
    from runflowd.core.error_places import Blame
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item

log = structlog.get_logger()


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

    def judge(self, snapshot: str, body_format: BodyFormat, items: Sequence[Item], refusal: Rejected) -> Verdict:
        """Whom a refusal blames; `fields` are those that the body has."""
        problems = [(problem.loc, problem.message) for problem in refusal.problems]
        sent = [sent_item(item) for item in items]
        template = from_text(snapshot).template
        return judge(problems, message_of(refusal), shape=body_format.shape, template=template, items=sent)

    def in_use(self, body_format: BodyFormat) -> frozenset[str]:
        """The optional fields of a body in this wording."""
        unset = frozenset() if self._context.service.callback_url else frozenset({CALLBACK_URL})
        return OPTIONAL_FIELDS - body_format.omitted - unset

    async def omit(
        self, batch: Batch, body_format: BodyFormat, fields: frozenset[str], refusal: Rejected
    ) -> BodyFormat:
        """Leave fields out of a shape from now on; give the format without them."""
        without = BodyFormat(body_format.shape, body_format.omitted | fields)
        url = self._context.service.callback_url
        await self._context.store.write(lambda connection: learn_omitted(connection, batch.service, without, url))
        reach("body.learnt")
        names = ", ".join(sorted(fields))
        sentence = f"the service refuses {names} in the body of a purchase, so it is left out from now on: {refusal}"
        log.warning(sentence, action="body.field_refused", rule=batch.rule, fields=names)
        return without

    def fault_of_rule(self, snapshot: str, blame: Blame, refusal: Rejected) -> RuleAtFault:
        """The rule says something that the service does not take, and the service names it."""
        rule = from_text(snapshot)
        return fault_of_rule(rule, self._context.places.get(rule.name, {}), blame, str(refusal))

    def fault_unnamed(self, rule: str, refusal: Rejected) -> RuleAtFault:
        """Different files of a rule are refused alike, and the service does not say for what."""
        place = place_of(self._context.places.get(rule, {}), ("input",))
        where = f"rule {rule}{f' ({place})' if place else ''}"
        more = f" ({IN_LOG})" if refusal.is_cut else ""
        sentence = f"{where}: the service refuses different files alike and names no field: {refusal}{more}"
        remedy = f"Compare `model` and `input` with what `runflowd check --online` says and correct them; {GOES_ON}"
        remedy += ". If it is the files, take them out of the folder"
        return RuleAtFault(sentence, remedy, refusal.message if refusal.is_cut else "")

    async def hold_for_folder(self, batch: Batch, item: Item, snapshot: str, blame: Blame, refusal: Rejected) -> None:
        """The value comes from a `_runflow.yaml`: its file waits until that says something else."""
        reason = fault_of_folder(from_text(snapshot), item.path, blame, str(refusal))
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: drop_from_batch(connection, batch, item, ItemState.WAITING, BAD_OVERRIDE, reason, now)
        )
        reach("item.dropped")
        self._context.stage_events.deliver.notify()
        self._context.log_throttle.warning(
            reason, action="item.waiting", rule=item.rule, code=BAD_OVERRIDE, path=item.path
        )

    async def cause_of(self, batch: Batch, items: Sequence[Item], refusal: Rejected) -> Cause:
        """What a refusal without a name of these items is taken for, and keep it in mind."""
        now = self._context.clock.wall()

        def write(connection: Connection) -> Cause:
            known = _suspicion(connection, batch)
            if len(items) > 1:
                known, cause = known.of_batch(message_of(refusal))
            else:
                known, cause = known.of_file(message_of(refusal), items[0].content_hash or "", now)
            _remember(connection, batch, known)
            return cause

        return await self._context.store.write(write)


def message_of(refusal: Rejected) -> str:
    """The service's own words: its code and its sentence."""
    return f"{refusal.code} {refusal.message}".strip()


def relieve(connection: Connection, batch: Batch, now: float) -> None:
    """A purchase was taken, so what was refused under the same rule text was not the rule's."""
    _remember(connection, batch, _suspicion(connection, batch).relieved(now))


def _suspicion(connection: Connection, batch: Batch) -> Suspicion:
    text = stored_value(connection, batch.service, f"unexplained:{batch.snapshot}")
    if not text:
        return Suspicion()
    values = json.loads(text)
    return Suspicion(**{**values, "files": tuple(values["files"]), "guilty": tuple(values["guilty"])})


def _remember(connection: Connection, batch: Batch, known: Suspicion) -> None:
    learn(connection, batch.service, f"unexplained:{batch.snapshot}", json.dumps(asdict(known)))
