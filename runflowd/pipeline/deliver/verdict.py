"""What the failure of a delivery means: whether another try can help, and what is to be said of a paid result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd import files
from runflowd.api.errors import ApiError, Gone, NotFound, Transient, Unsafe
from runflowd.core.incident_scope import STORAGE, ScopeKind
from runflowd.core.remedies import as_pattern
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline.deliver.output_io import OutputTimeout
from runflowd.pipeline.deliver.result_check import BrokenResult
from runflowd.pipeline.deliver.result_downloader import NoResult
from runflowd.pipeline.error_scopes import of_disk, of_output, of_service
from runflowd.pipeline.io_guard import Abandoned

if TYPE_CHECKING:
    from runflowd.store.items import Item


MAX_TRIES = 8
"""Tries of one download before a paid result counts as lost and the operator is asked: about two minutes.

A storage may show a page of its own for a minute, and a person who is woken for that is woken in vain. Waiting costs
nothing more, since nothing is bought meanwhile.
"""


def is_final(error: Exception) -> bool:
    """Whether what could not be delivered can never be, as it is now: no try is made after this one."""
    return isinstance(error, NoResult | Gone | NotFound | Unsafe)


def is_doubtful(error: Exception) -> bool:
    """Whether what came in the place of a result cannot be one, where nothing wider than the item is to blame."""
    return isinstance(error, BrokenResult | ApiError)


def code_of(error: Exception) -> str:
    """The code of an item whose result cannot be delivered."""
    if isinstance(error, NoResult):
        return "NO_RESULT"
    return "RESULT_TOO_LARGE" if isinstance(error, Unsafe) and error.code == "TOO_LARGE" else "RESULT_LOST"


def in_doubt(item: Item, tries: int, reason: str) -> str:
    """Why a rule is held: what it has paid for, and what came in its place so far."""
    return (
        f"the result of {item.path} ({_run_of(item)}) cannot be delivered yet, so nothing more is bought for the rule "
        f"before it is known whether one can: {reason.removesuffix('.')}. It is fetched again by a fresh link; try "
        f"{tries} of {MAX_TRIES} has failed"
    )


def with_run(reason: str, origin: Item) -> str:
    """Why a result could not be delivered, and the run that has it: that of the item `origin`, which was paid for."""
    return f"{reason.removesuffix('.')}. It may still be had at the service: {_run_of(origin)}"


def _run_of(item: Item) -> str:
    return f"run {item.run_id}" if item.run_id else f"the run with the reference {item.client_ref}"


def undeliverable(item: Item, code: str, reason: str) -> IncidentReport:
    """The incident of a rule that brings what cannot be delivered, for a reason that names the run."""
    message = (
        f"rule {item.rule}: a result that is paid for cannot be delivered, so nothing more is bought for the rule. "
        f"{item.path}: {reason}"
    )
    remedy = _REMEDIES[code].format(rule=item.rule, path=as_pattern(item.path))
    return IncidentReport(ScopeKind.RESULTS.of(item.rule), "RESULT_UNDELIVERABLE", message, remedy)


_EDIT = (
    "Take it from there. Edit the rule's `model`, `input` or `select` so that it brings {wanted}, and it goes on; or "
    "`runflowd resume {{rule}}` to go on as it is"
)
_REMEDIES = {
    "NO_RESULT": _EDIT.format(wanted="outputs"),
    "RESULT_TOO_LARGE": (
        "Raise `limits.download_size` and restart, then `runflowd retry {path}` fetches it at no cost and "
        "`runflowd resume {rule}` lets the rule go on"
    ),
    "RESULT_LOST": (
        "Look that run up in the service's history. `runflowd resume {rule}` lets the rule go on, and fetches the "
        "result at no cost while the service shows it"
    ),
}
"""What lets a rule go on, by the code of the result that stopped it."""


def timeout_report(error: OutputTimeout, rule: str) -> IncidentReport:
    return IncidentReport(ScopeKind.OUTPUT.of(rule), "OUTPUT_TIMEOUT", str(error), error.remedy)


def wider_report(item: Item, error: Exception) -> IncidentReport | None:
    """The trouble behind a delivery that did not work, when it is not the item's own.

    A full disk pauses the rule, whose submissions would only add to what cannot be written. Other
    trouble with the folder, or with the storage that holds the results, is said once and pauses nothing;
    each item is tried again on its own.
    """
    if full := of_disk(item.rule, error):
        return full
    if isinstance(error, OutputTimeout | Abandoned):
        return timeout_report(OutputTimeout(item.rule), item.rule)
    if isinstance(error, files.FileError):
        return of_output(item.rule, error)
    if isinstance(error, ApiError) and (wide := of_service(error)) and wide.scope != STORAGE:
        return wide
    if isinstance(error, Transient):
        remedy = "Nothing to do: the results are paid for, and are fetched as soon as that works"
        wait = error.closed.seconds if error.closed else None
        return IncidentReport(
            ScopeKind.DOWNLOAD.of(item.rule), "RESULT_UNREACHABLE", f"rule {item.rule}: {error}", remedy, wait=wait
        )
    return None
