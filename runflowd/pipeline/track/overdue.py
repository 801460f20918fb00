"""Reports of batches that outlived their deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.core.printable import short_id
from runflowd.core.units import duration_text
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from runflowd.store.reports import Overdue

CODE = "BATCH_OVERDUE"


def overdue_report(found: Overdue, now: float) -> IncidentReport:
    """What is wrong with the overdue batches of a rule; it pauses nothing."""
    one = found.batches == 1
    batches = "1 batch is" if one else f"{found.batches} batches are"
    files = "1 file waits" if found.files == 1 else f"{found.files} files wait"
    age = duration_text(max(0, round((now - found.since) / 60) * 60))
    named = f"batch {short_id(found.oldest)}{f', {found.remote} at the service' if found.remote else ''}"
    message = (
        f"rule {found.rule}: {batches} past the deadline,{'' if one else ' the oldest'} sent {age} ago "
        f"({named}); {files} for {'it' if one else 'them'}"
    )
    remedy = (
        "Nothing is bought again by itself, and what still comes is delivered. Ask the service about that batch; "
        f"`runflowd list --rule {found.rule} --state processing` names the files. If the model takes this long, say so "
        "with `batch: {deadline: 6h}` in the rule"
    )
    return IncidentReport(ScopeKind.BATCH.of(found.rule), CODE, message, remedy)
