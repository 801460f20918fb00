"""What became of items: read from the pages of a batch or run by run, and recorded."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from runflowd.api.errors import ApiError, Permanent
from runflowd.api.outcomes import is_partial
from runflowd.api.values import Item as Answer
from runflowd.api.values import Status
from runflowd.core.currency import amount_text
from runflowd.core.lifecycle import ItemState
from runflowd.core.links import input_was_unreadable, refuses_references, was_too_old
from runflowd.core.model import LOCAL
from runflowd.core.newly_ended import newly_ended
from runflowd.core.outputs import PARTIAL_RESULT, extract, listed
from runflowd.core.results import Matched, match
from runflowd.core.template import uploads_in
from runflowd.store.batches import Batch, Result, set_results, take_results
from runflowd.store.ledger import Stated, settle
from runflowd.store.links import learn_from_batch, references_key, send_again
from runflowd.store.moves import end_duplicates, move
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.client import Runflow
    from runflowd.api.values import Batch as SeenBatch
    from runflowd.api.values import Run
    from runflowd.core.model import Json
    from runflowd.store import Connection
    from runflowd.store.items import Item


MAX_PAGES = 200


def record_answers(connection: Connection, batch: Batch, answers: list[tuple[Item, Answer]], now: float) -> int:
    """Store how items ended; give how many are sent once more, because our upload of them could not be read."""
    unreadable: list[tuple[Item, str]] = []
    for item, answer in answers:
        if was_unreadable(item, answer):
            unreadable.append((item, failure_of(answer)[1]))
        elif answer.status is not Status.SUCCEEDED:
            record_failure(connection, batch, item, answer, now)
    record_results(connection, batch, [each for each in answers if each[1].status is Status.SUCCEEDED], now)
    if any(_names_refused(item, answer) for item, answer in answers):
        connection.run("save_value", service=batch.service, key=references_key(batch.model), value="no")
    elif any(was_unreadable(item, answer) and was_too_old(*failure_of(answer)) for item, answer in answers):
        learn_from_batch(connection, batch, now)
    return send_again(connection, batch, unreadable, now)


def was_unreadable(item: Item, answer: Answer) -> bool:
    """Whether an item failed, uncharged, because the service could not read what was uploaded for it."""
    if answer.status is not Status.FAILED or answer.cost or answer.failure is None:
        return False
    return _names_refused(item, answer) or input_was_unreadable(item.input, answer.failure.code, answer.failure.message)


def _names_refused(item: Item, answer: Answer) -> bool:
    """Whether an item failed because its upload was named by `runflow://`, which the first try alone may do."""
    if answer.status is not Status.FAILED or answer.cost or answer.failure is None or item.resent:
        return False
    return bool(uploads_in(item.input)) and refuses_references(answer.failure.message)


def record_results(connection: Connection, batch: Batch, answers: list[tuple[Item, Answer]], now: float) -> None:
    """Store the outputs of items of a batch, to be delivered. Raises `LeaseLost`."""
    alike: defaultdict[tuple[ItemState, str], list[tuple[Item, Answer]]] = defaultdict(list)
    for item, answer in answers:
        alike[item.state, missing_of(answer)].append((item, answer))
    for (before, reason), found in alike.items():
        details = {item.id: _succeeded(batch, item, answer, reason) for item, answer in found}
        code, results = PARTIAL_RESULT if reason else "", _results(found)
        take_results(connection, batch, results, details, before, code=code, reason=reason, now=now)
    _settle(connection, batch, answers, now)


def _succeeded(batch: Batch, item: Item, answer: Answer, reason: str) -> str:
    detail = f"run {_run(item, answer) or None} succeeded{_price(batch, item, answer)}"
    return f"{detail}; {reason}" if reason else detail


def record_failure(connection: Connection, batch: Batch, item: Item, answer: Answer, now: float) -> None:
    """Store why an item of a batch has no output. Raises `LeaseLost`."""
    set_results(connection, batch, _results([(item, answer)]))
    _settle(connection, batch, [(item, answer)], now)
    code, reason = failure_of(answer)
    move(connection, item.id, ItemState.SUBMITTED, ItemState.FAILED, by=batch.claim, code=code, reason=reason, now=now)
    end_duplicates(connection, [item.id], ItemState.FAILED, code, reason, now)


def _results(answers: list[tuple[Item, Answer]]) -> list[Result]:
    return [Result(item, _run(item, each) or None, _output(each), each.cost, each.currency) for item, each in answers]


def _settle(connection: Connection, batch: Batch, answers: list[tuple[Item, Answer]], now: float) -> None:
    """Enter what the service says that it cost."""
    stated = [
        (item, Stated(each.cost, each.currency, _run(item, each))) for item, each in answers if each.cost is not None
    ]
    settle(connection, batch, stated, now)


def _run(item: Item, answer: Answer) -> str:
    return answer.run_id or item.run_id or ""


def _output(answer: Answer) -> Json:
    return answer.output if answer.status is Status.SUCCEEDED else None


def _price(batch: Batch, item: Item, answer: Answer) -> str:
    if answer.cost is None:
        return ""
    cost = amount_text(answer.cost, answer.currency or item.currency)
    return f" (hosted, about {cost})" if batch.service == LOCAL else f" and cost {cost}"


def answer_of(item: Item, run: Run) -> Answer:
    """A single run, as if it were an item of a batch."""
    return Answer(item.client_ref, run.id, None, run.status, run.word, run.output, run.cost, run.failure, run.currency)


def missing_of(answer: Answer) -> str:
    """What a run that succeeded in part lacks, as far as the service says; "" for a whole result."""
    if not is_partial(answer.word):
        return ""
    came, listed_ones = len(extract(answer.output)), listed(answer.output)
    count = f"{came} of {listed_ones} outputs came" if came < listed_ones else "not all outputs came"
    why = answer.failure.message or answer.failure.code if answer.failure else ""
    return f"the service made it in part: {count}{f' ({why})' if why else ''}"


def failure_of(answer: Answer) -> tuple[str, str]:
    """Code and sentence for an item that did not succeed."""
    failure = answer.failure
    if answer.status is Status.CANCELLED:
        return "CANCELLED", "cancelled at the service; it is not sent again by itself"
    if failure is None or not (failure.code or failure.message):
        return "FAILED", f"the service says {answer.word or 'failed'} and gives no reason"
    return failure.code or "FAILED", failure.message or failure.code


def wanted(seen: SeenBatch, items: list[Item], waiting: list[Item]) -> frozenset[str] | None:
    """The references of the items that are worth reading now; None for all of them."""
    if seen.ended:
        return frozenset(item.client_ref for item in waiting)
    return newly_ended(items, waiting, [row for row in seen.items if row.word], seen.items_ended)


async def read_items(
    api: Runflow, batch: str, items: list[Item], references: frozenset[str] | None
) -> tuple[Matched[Item, Answer], ApiError | None]:
    """What the service says of the items of a batch: page by page until all of `references` have ended.

    None reads every page. An error ends it, and is given along with what the pages before it said.
    """
    answers: list[Answer] = []
    matched: Matched[Item, Answer] = match(items, answers)
    trouble: ApiError | None = None
    cursor: str | None = None
    seen: set[str | None] = set()
    while (references is None or not references <= _ended(matched)) and cursor not in seen and len(seen) < MAX_PAGES:
        seen.add(cursor)
        try:
            page = await api.items(batch, cursor)
        except ApiError as error:
            trouble = error
            break
        answers += page.items
        matched = match(items, answers)
        cursor = page.next
        if cursor is None:
            break
    if answers:
        reach("results.read")
    return matched, trouble


def is_new(item: Item, answer: Answer) -> bool:
    """Whether an answer changes what is on record; a failure may turn into a result as long as its batch runs."""
    if item.state is ItemState.FAILED:
        return answer.status is Status.SUCCEEDED
    return item.state is ItemState.SUBMITTED and answer.status.ended


def _ended(matched: Matched[Item, Answer]) -> set[str]:
    return {item.client_ref for item, answer in matched.pairs if answer.status.ended}


class RunsRead(NamedTuple):
    """Answers of runs that ended, why others are not to be found, and the error that broke the reading off."""

    results: list[tuple[Item, Answer]]
    lost: list[str]
    error: ApiError | None


async def read_runs(api: Runflow, waiting: list[Item]) -> RunsRead:
    """Read the runs of these items until an error that concerns them all."""
    results: list[tuple[Item, Answer]] = []
    lost: list[str] = []
    for item in waiting:
        try:
            run = await _run_of(api, item)
        except Permanent as error:  # one run's trouble is not the others'
            lost.append(str(error))
            continue
        except ApiError as error:
            return RunsRead(results, lost, error)
        if run is None:
            lost.append("no run at the service carries its reference")
        elif run.status.ended:
            results.append((item, answer_of(item, run)))
    return RunsRead(results, lost, None)


async def _run_of(api: Runflow, item: Item) -> Run | None:
    """The run of an item; searched by its reference when a lost answer kept its id from us."""
    if item.run_id:
        return await api.run(item.run_id)
    return next(iter(await api.find_runs(item.client_ref)), None)
