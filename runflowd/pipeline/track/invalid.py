"""An item that failed because its input is not valid, though its purchase was taken: who has to change something."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from runflowd.api.values import Item as Answer
from runflowd.api.values import Status
from runflowd.core.blame import judge
from runflowd.core.refusal import Shape
from runflowd.core.snapshot import from_text
from runflowd.pipeline.rule_fault import fault_of_folder, sent_item
from runflowd.pipeline.track.answers import was_unreadable
from runflowd.store import unbought
from runflowd.store.batches import rule_text

if TYPE_CHECKING:
    from runflowd.core.blame import Verdict
    from runflowd.core.error_places import Blame
    from runflowd.core.model import Rule
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item

INVALID = "INPUT_VALIDATION_FAILED"
"""The only code of a failed run that is documented (concepts/errors)."""

_BEFORE_THE_MODEL = frozenset({"", "dispatch", "preprocess"})
"""The documented stages of a failure, both before the model is run; "" where it names none."""

_DETAIL = "its input is not valid, and that is not the file's doing ({words}); nothing was charged for it"

Results: TypeAlias = "list[tuple[Item, Answer]]"


def was_invalid(answer: Answer) -> bool:
    """Whether an item failed, uncharged, because the service takes its input for invalid."""
    failure = answer.failure
    if answer.status is not Status.FAILED or answer.cost or failure is None:
        return False
    return failure.code == INVALID and failure.stage in _BEFORE_THE_MODEL


def take_back(connection: Connection, batch: Batch, results: Results, now: float) -> tuple[Results, Blame | None]:
    """Let items wait, unharmed, for their rule or folder where that is at fault.

    Give what else there is to record, and what the rule is blamed for. A rule under whose present text there ever
    was a result is not to blame. Raises `LeaseLost`.
    """
    judged = [each for each in results if was_invalid(each[1]) and not was_unreadable(*each) and each[0].current]
    if not judged:
        return results, None
    rule, fault, taken = from_text(rule_text(connection, batch)), None, set()
    good = any(answer.status is Status.SUCCEEDED for _, answer in results)
    good = good or connection.one("result_of_snapshot", rule=batch.rule, snapshot=batch.snapshot) is not None
    for item, answer in judged:
        verdict, words = _judge(rule, item, answer)
        if verdict.rule and not good:
            fault = fault or verdict.rule
            unbought.take_back(connection, batch, item, now, _DETAIL.format(words=words))
        elif verdict.folders:
            reason = fault_of_folder(rule, item.path, verdict.folders[0], words)
            unbought.hold_for_folder(connection, batch, item, reason, now, _DETAIL.format(words=words))
        else:
            continue
        taken.add(item.id)
    return [(item, answer) for item, answer in results if item.id not in taken], fault


def _judge(rule: Rule, item: Item, answer: Answer) -> tuple[Verdict, str]:
    words = answer.failure.message if answer.failure else ""
    return judge([], words, shape=Shape.RUN, template=rule.template, items=[sent_item(item)]), words
