"""The incident behind a delivery that did not work, where more than the one item is concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd import files
from runflowd.api.errors import ApiError, Transient
from runflowd.core.incident_scope import STORAGE, ScopeKind
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline.deliver.output_io import OutputTimeout
from runflowd.pipeline.error_scopes import of_disk, of_service
from runflowd.pipeline.io_guard import Abandoned

if TYPE_CHECKING:
    from runflowd.store.items import Item


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
        remedy = error.advice or "Mend the folder; delivery goes on by itself then"
        return IncidentReport(ScopeKind.OUTPUT.of(item.rule), "OUTPUT_UNUSABLE", str(error), remedy)
    if isinstance(error, ApiError) and (wide := of_service(error)) and wide.scope != STORAGE:
        return wide
    if isinstance(error, Transient):
        remedy = "Nothing to do: the results are paid for, and are fetched as soon as that works"
        wait = error.closed.seconds if error.closed else None
        return IncidentReport(
            ScopeKind.DOWNLOAD.of(item.rule), "RESULT_UNREACHABLE", f"rule {item.rule}: {error}", remedy, wait=wait
        )
    return None
