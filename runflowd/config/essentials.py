"""What commands need of a configuration: where the state is, the rules, and what is said of money."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.core.model import LOCAL
from runflowd.core.money import Money

if TYPE_CHECKING:
    from runflowd.core.model import Json, Rule


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to accept connections: a TCP host and port, or the path of a unix socket."""

    host: str = ""
    port: int = 0
    socket: str = ""

    def __str__(self) -> str:
        if self.socket:
            return f"unix:{self.socket}"

        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Where the service reports finished batches, and the files of the secrets that prove it was the service."""

    public_url: str
    secret_file: str
    previous_secret_file: str = ""


@dataclass(frozen=True, slots=True)
class LocalService:
    """The service on this machine. An empty `folder` or `weights` means the default place; no `listen`, no port.

    `api_variants` and `faults` are as they were written; only the local service knows what they mean.
    """

    folder: str = ""
    weights: str = ""
    listen: Listen | None = None
    api_variants: dict[str, Json] = field(default_factory=dict)
    faults: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """Who does the work: the service at `url`, or, if `local` is set, this machine."""

    url: str = ""
    organization: str = ""
    api_key_file: str = ""
    allow_http: bool = False
    callbacks: Callbacks | None = None
    local: LocalService | None = None

    @property
    def name(self) -> str:
        """Under what batches and facts of this service are kept; the local one's wherever it listens this time."""
        return self.url if self.local is None else LOCAL


@dataclass(frozen=True, slots=True)
class Essentials:
    """A part of a `Config` by the same names: no secret is in it, and it can be read back from a file."""

    service: Service
    rules: tuple[Rule, ...]
    state: str
    money: Money
    source: str

    @property
    def money_in_force(self) -> Money:
        """What is said of money as the service makes it: this machine takes none, so no limit counts."""
        return self.money if self.service.local is None else Money(self.money.zone, currency=self.money.currency)

    def rule(self, name: str) -> Rule | None:
        """The enabled rule of this name."""
        return next((rule for rule in self.rules if rule.name == name), None)
