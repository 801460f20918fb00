"""What an incident covers: all calls, one rule, one folder, one channel. Its text is what people and the store see.

Four kinds pause something: `service` (no call gets through), `storage` (nothing can be uploaded), `credit` (nothing may
be bought) and `rule`. The others only report.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NO_SPACE = "NO_SPACE"
OUTPUT_CHANGED = "OUTPUT_CHANGED"
RATE_LIMITED = "RATE_LIMITED"

_ON = " on "
"""Names of rules and channels have no spaces."""


class ScopeKind(StrEnum):
    """The kinds of scope; `of` makes one that concerns a rule or a channel."""

    SERVICE = "service"
    STORAGE = "storage"
    CREDIT = "credit"
    RULE = "rule"
    WATCH = "watch"
    """A rule's watched folder."""
    FILES = "files"
    """What the input of a rule refers to."""
    OUTPUT = "output"
    """A rule's output folder."""
    OWNER = "owner"
    """Another daemon writes into a rule's output folder, too."""
    HOSTS = "hosts"
    """The hosts on one store do not agree on a rule, or none can place its results."""
    HOST = "host"
    """One of several hosts is gone."""
    DOWNLOAD = "download"
    """A rule's results cannot be fetched."""
    BATCH = "batch"
    """A rule's batches are overdue at the service."""
    ELSEWHERE = "elsewhere"
    """A rule's batches are at another service than the one that is used now."""
    BUDGET = "budget"
    """Limits of money hold a rule's files; what was bought goes on."""
    PER_FILE = "per-file"
    """Single files of a rule cost more than it lets one cost."""
    PRICE = "price"
    """A rule's files cost more than was expected of them."""
    RESULTS = "results"
    """A rule was stopped, see `store.pauses`: it lasts as long as that pause does."""
    PAUSE = "pause"
    """A rule was paused by the operator; of no rule, all were."""
    NOTIFY = "notify"
    """A channel takes no messages."""
    CONFIG = "config"
    """An edit was refused."""
    RESTART = "restart"
    """An edit that only the next start takes."""
    WEB = "web"
    """The listener has no address."""

    def of(self, name: str) -> IncidentScope:
        """The scope of this kind that concerns one rule, one channel, or one host."""
        return IncidentScope(self, name)


_UNNAMED = frozenset(
    {ScopeKind.SERVICE, ScopeKind.STORAGE, ScopeKind.CREDIT, ScopeKind.CONFIG, ScopeKind.RESTART, ScopeKind.WEB}
)

_WARNS = frozenset(
    {
        ScopeKind.BATCH,
        ScopeKind.BUDGET,
        ScopeKind.PER_FILE,
        ScopeKind.PRICE,
        ScopeKind.NOTIFY,
        ScopeKind.RESTART,
    }
)
"""Nothing is broken: what somebody laid down holds files back, or the work goes on and somebody should know."""

_OF_ONE_HOST = frozenset(
    {
        ScopeKind.SERVICE,
        ScopeKind.STORAGE,
        ScopeKind.WATCH,
        ScopeKind.FILES,
        ScopeKind.OUTPUT,
        ScopeKind.HOSTS,
        ScopeKind.DOWNLOAD,
        ScopeKind.ELSEWHERE,
        ScopeKind.NOTIFY,
        ScopeKind.CONFIG,
        ScopeKind.RESTART,
        ScopeKind.WEB,
    }
)
"""What one of several hosts has or lacks: its network and its key, its folders, its configuration, its addresses."""

_OF_RULES = (
    ScopeKind.RULE,
    ScopeKind.WATCH,
    ScopeKind.FILES,
    ScopeKind.OUTPUT,
    ScopeKind.OWNER,
    ScopeKind.HOSTS,
    ScopeKind.DOWNLOAD,
    ScopeKind.BATCH,
    ScopeKind.ELSEWHERE,
    ScopeKind.BUDGET,
    ScopeKind.PER_FILE,
    ScopeKind.PRICE,
)


@dataclass(frozen=True, slots=True)
class IncidentScope:
    """One scope; `name` is that of the rule or channel it concerns, "" where its kind says all."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        return str(self.kind) if self.kind in _UNNAMED else f"{self.kind}:{self.name}"


SERVICE = IncidentScope(ScopeKind.SERVICE)
STORAGE = IncidentScope(ScopeKind.STORAGE)
CREDIT = IncidentScope(ScopeKind.CREDIT)


def scopes_of(rule: str) -> tuple[IncidentScope, ...]:
    """Every scope that concerns one rule alone, and ends when nothing is wrong with it any more."""
    return tuple(kind.of(rule) for kind in _OF_RULES)


def is_warning(text: str) -> bool:
    """Whether an incident of the scope with that text is a warning; any other is trouble."""
    return text.partition(":")[0] in _WARNS


def is_of_one_host(scope: IncidentScope, code: str) -> bool:
    """Whether another host may not have this trouble; a rule whose disk is full has a disk of its own on each."""
    return scope.kind in _OF_ONE_HOST or code == NO_SPACE


def closes_for_all(scope: IncidentScope, code: str) -> bool:
    """Whether what one host has met is closed for the others, too: they would have the very same answer."""
    if code == RATE_LIMITED:
        return scope.kind is ScopeKind.SERVICE
    return scope.kind in {ScopeKind.CREDIT, ScopeKind.RULE} and not is_of_one_host(scope, code)


def on_host(scope: IncidentScope, host: str) -> str:
    """How the store keeps a scope of one of several hosts: each has a row of its own."""
    return f"{scope}{_ON}{host}"


def split_host(text: str) -> tuple[str, str]:
    """The text of the scope, and the host that it is of; "" for one that is of all."""
    scope, _, host = text.partition(_ON)
    return scope, host


def parse_scope(text: str) -> IncidentScope:
    """The scope with that text. Raises `ValueError` where no kind begins it."""
    kind, _, name = text.partition(":")
    return IncidentScope(ScopeKind(kind), name)
