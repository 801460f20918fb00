"""From an exception to the scope it covers: which errors pause the service, the credit, a rule."""

from __future__ import annotations

import structlog

from runflowd.api.breaker import KEY_PROBE
from runflowd.api.errors import ApiError, NotFound, OutOfCredit, Scope, Transient, Unauthorized
from runflowd.core.incident_scope import CREDIT, NO_SPACE, OUTPUT_CHANGED, RATE_LIMITED, SERVICE, ScopeKind, parse_scope
from runflowd.errors import RunflowdError
from runflowd.files import FileError, NoSpace
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline.output_identity import OutputChanged
from runflowd.pipeline.rule_fault import GOES_ON, RuleAtFault

log = structlog.get_logger()

_KEY = (
    "Correct the API key, its scopes or its organization: that is noticed by itself within five minutes, and with "
    "`runflowd reload` at once. A key from the environment or systemd's credentials, and `service.organization`, need "
    "a restart"
)
_PASSES = "Nothing to do if it passes: work resumes by itself. If not, check the network and `service.url`"


def of_service(error: ApiError) -> IncidentReport | None:
    """The trouble that concerns every call to the service, or None when the error is narrower.

    A request that failed while others go through is its own trouble, however it failed.
    """
    message, closed = error.plain, error.closed
    wait = closed.seconds if closed else None
    match error:
        case Unauthorized():
            return IncidentReport(SERVICE, "UNAUTHORIZED", message, _KEY, slowest=KEY_PROBE, wait=wait)
        case OutOfCredit():
            return IncidentReport(CREDIT, "OUT_OF_CREDIT", message, error.remedy, wait=wait)
        case Transient() if closed is not None:
            code = RATE_LIMITED if error.status == 429 else "UNREACHABLE"
            return IncidentReport(parse_scope(closed.scope), code, message, _PASSES, wait=wait)
    return None


def of_rule(rule: str, model: str, place: str, error: ApiError) -> IncidentReport | None:
    """The trouble that concerns one rule: its model is gone, or does not answer while the service does.

    `place` is where the rule names the model, as `file:line`; "" where that is not known.
    """
    if isinstance(error, Transient) and error.scope is Scope.RULE and error.closed is None:
        return IncidentReport(
            ScopeKind.RULE.of(rule),
            "MODEL_UNAVAILABLE",
            f"rule {rule}: {error}",
            "Nothing to do: the rule goes on by itself, the others are not affected",
        )
    if isinstance(error, NotFound) and error.scope is Scope.RULE:
        named = f"rule {rule}: `model: {model}`{f' ({place})' if place else ''}"
        remedy = (
            f"Correct it in {place or f'rule {rule}'}; {GOES_ON}. `runflowd check --online` knows names that are "
            "alike. If the name is right, the API key belongs to another organization"
        )
        message = error.answer if error.message else f"{error.answer}: the service does not know this model"
        sentence = f"{named}: {message}{error.reference}"
        return IncidentReport(ScopeKind.RULE.of(rule), "MODEL_NOT_FOUND", sentence, remedy, slowest=KEY_PROBE)
    return None


def of_refusal(rule: str, fault: RuleAtFault) -> IncidentReport:
    """The trouble of a rule whose requests are refused: it waits to be corrected, and is tried now and then."""
    _log_all(rule, fault)
    return IncidentReport(ScopeKind.RULE.of(rule), "RULE_REFUSED", str(fault), fault.remedy, slowest=KEY_PROBE)


ITEMS_PROBE = 3600.0
"""Seconds between the probes of a rule whose purchases are taken and then fail item by item."""


def of_failed_items(rule: str, fault: RuleAtFault) -> IncidentReport:
    """The same of a rule whose purchases are taken, and of which each item is refused by itself."""
    _log_all(rule, fault)
    return IncidentReport(
        ScopeKind.RULE.of(rule), "RULE_REFUSED", str(fault), fault.remedy, wait=ITEMS_PROBE, until_result=True
    )


def _log_all(rule: str, fault: RuleAtFault) -> None:
    """Log what the service said where a message has room for a part of it."""
    if fault.answer:
        log.info("the service's answer in full", action="service.refused", rule=rule, answer=fault.answer)


REFUSALS = frozenset({"MODEL_UNAVAILABLE", "MODEL_NOT_FOUND", "RULE_REFUSED"})
"""Codes of trouble with a rule that a purchase ends."""


def of_disk(rule: str, error: Exception) -> IncidentReport | None:
    """The trouble of a rule whose output folder has no room: what it bought now could not be written."""
    if not isinstance(error, NoSpace):
        return None
    return IncidentReport(
        ScopeKind.RULE.of(rule), NO_SPACE, error.sentence, "Free space there; the rule goes on by itself then"
    )


def of_output(rule: str, error: FileError) -> IncidentReport:
    """The trouble with a folder that results of a rule go to, which is no lack of room: results wait, one by one."""
    code = OUTPUT_CHANGED if isinstance(error, OutputChanged) else "OUTPUT_UNUSABLE"
    remedy = error.advice or "Mend the folder; delivery goes on by itself then"
    return IncidentReport(ScopeKind.OUTPUT.of(rule), code, error.sentence, remedy)


HELD_UP = "held up by "
"""How the reason begins that is kept with work which wider trouble holds."""


def kept_reason(error: Exception, report: IncidentReport | None) -> str:
    """What is kept with work that a try did not bring on: its own words, or the code of the `report` that is wider."""
    return f"{HELD_UP}{report.code}" if report else str(error)


def unexpected(error: Exception) -> Exception | None:
    """The error itself when nobody raised it on purpose, so that a log keeps its traceback."""
    return None if isinstance(error, RunflowdError) else error
