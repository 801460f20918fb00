"""The troubles this service can be told to make, as data, and the plan that deals them out.

Each fault names what it hits, how many hits it lets pass first (`skip`) and how many it strikes (`count`,
null for all), so that a test is deterministic. `seed` and `rate` add random request faults for long soaks.
"""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from random import Random
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RequestKind = Literal[
    "status", "slow", "late", "hold", "cut", "lose", "truncate", "short", "drip", "login", "xml", "redirect",
    "huge", "deep", "garbage", "botch", "video",
]  # fmt: skip
RunKind = Literal["fail", "cancel", "partial", "stuck", "slow", "invalid", "unreadable"]
CallbackKind = Literal["duplicate", "lose", "forge", "unsigned", "early"]


class _Strike(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int | None = Field(1, ge=0, description="How many times it strikes; null for always.")
    skip: int = Field(0, ge=0, description="How many matches pass unharmed first.")


class RequestFault(_Strike):
    """Trouble with requests whose `METHOD /path` matches the glob `route`; `*` also crosses slashes."""

    route: str = Field("*", description="Glob over `METHOD /path`, such as `POST /v1/models/*/batches`.")
    kind: RequestKind = Field(description="What happens; see the table of kinds.")
    status: int = Field(503, ge=300, le=599, description="The HTTP status of kind `status`.")
    code: str = Field("", description="The error code of kind `status`; empty takes the usual one.")
    seconds: float = Field(0.0, ge=0, description="The wait of slow, late, hold and drip.")
    size: int = Field(1_000_000, ge=0, description="Bytes sent by huge, levels nested by deep.")


class RunFault(_Strike):
    """Trouble with runs whose client_ref, model, file name or content hash matches the glob `match`."""

    match: str = Field("*", description="Glob over client_ref, model, file names and sha256 of the inputs.")
    kind: RunKind = Field(description="How the run ends, or that it does not.")
    code: str = Field("PROVIDER_ERROR", description="failure_code of kind `fail` and `partial`.")
    message: str = Field("The model failed on this image.", description="failure_message, or the refusal.")
    stage: str = Field("inference", description="failure_stage_code of kind `fail`.")
    seconds: float = Field(0.0, ge=0, description="The added work of kind `slow`.")


class CallbackFault(_Strike):
    """Trouble with callbacks whose URL matches the glob `match`."""

    match: str = Field("*", description="Glob over the callback's URL.")
    kind: CallbackKind = Field(description="Sent twice, not at all, with a wrong or no signature, or too early.")


class RateLimit(BaseModel):
    """A token bucket over all API requests: what exceeds it is answered 429, and not processed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(gt=0, description="Requests a second.")
    burst: int = Field(10, ge=1, description="Requests that may come at once after a rest.")
    route: str = Field("* /v1/*", description="Glob over `METHOD /path` of what counts.")


class Faults(BaseModel):
    """All trouble that a service makes; nothing by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: tuple[RequestFault, ...] = ()
    runs: tuple[RunFault, ...] = ()
    callbacks: tuple[CallbackFault, ...] = ()
    seed: int | None = Field(None, description="Seeds the random request faults.")
    rate: float = Field(0.0, ge=0, le=1, description="Share of requests hit at random.")
    mix: tuple[RequestFault, ...] = Field((), description="What random trouble is drawn from, each alike.")
    allowed: RateLimit | None = Field(None, description="How many requests are let through.")


RANDOM = (
    RequestFault(kind="status", status=429),
    RequestFault(kind="status", status=500),
    RequestFault(kind="status", status=503),
    RequestFault(kind="slow", seconds=0.05),
    RequestFault(kind="cut"),
    RequestFault(kind="lose"),
    RequestFault(kind="truncate"),
    RequestFault(kind="garbage"),
    RequestFault(kind="login"),
)
"""What the random mode draws from: trouble that a client overcomes by trying again."""


_ROUNDING = 1e-6
"""Tokens: seconds since 1970 have no more digits to tell."""


class _Countable(Protocol):
    @property
    def count(self) -> int | None: ...
    @property
    def skip(self) -> int: ...


Kind = TypeVar("Kind", bound=_Countable)


class FaultPlan:
    """Deals out the faults in the order they stand, and counts how often each was met and struck."""

    def __init__(self, faults: Faults, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.switch(faults)

    def switch(self, faults: Faults) -> None:
        """Start afresh with other faults: all counts go back to zero."""
        self.faults = faults
        self.struck = 0
        self._met: dict[tuple[str, int], int] = {}
        self._random = Random(faults.seed)  # noqa: S311 - trouble on demand, no secret
        self._tokens = float(faults.allowed.burst) if faults.allowed else 0.0
        self._filled_at = self._clock()

    def for_request(self, method: str, path: str) -> RequestFault | None:
        """The fault that this request meets, if any; asking counts as the request."""
        name = f"{method} {path}"
        if refusal := self._excess(name):
            self.struck += 1
            return refusal
        found = self._take(self.faults.requests, lambda fault: fnmatchcase(name, fault.route))
        if found is None and self.faults.rate and self._random.random() < self.faults.rate:
            self.struck += 1
            found = self._random.choice(self.faults.mix or RANDOM)
        return found

    def _excess(self, name: str) -> RequestFault | None:
        """The refusal of a request beyond what is allowed; its `seconds` until one is let through again."""
        allowed = self.faults.allowed
        if allowed is None or not fnmatchcase(name, allowed.route):
            return None
        now = self._clock()
        self._tokens = min(float(allowed.burst), self._tokens + max(0.0, now - self._filled_at) * allowed.rate)
        self._filled_at = now
        if self._tokens < 1.0 - _ROUNDING:
            return RequestFault(kind="status", status=429, seconds=(1.0 - self._tokens) / allowed.rate)
        self._tokens -= 1.0
        return None

    def for_run(self, names: Iterable[str], kinds: frozenset[RunKind]) -> RunFault | None:
        """The fault of one of these kinds that a run known by these names meets, if any."""
        known = tuple(names)
        return self._take(
            self.faults.runs,
            lambda fault: fault.kind in kinds and any(fnmatchcase(name, fault.match) for name in known),
        )

    def for_callback(self, url: str, kinds: frozenset[CallbackKind]) -> CallbackFault | None:
        """The fault of one of these kinds that a delivery to this URL meets, if any."""
        return self._take(self.faults.callbacks, lambda fault: fault.kind in kinds and fnmatchcase(url, fault.match))

    def _take(self, faults: tuple[Kind, ...], fits: Callable[[Kind], bool]) -> Kind | None:
        """The first fitting fault that is due. Faults before it that fit count this as one of their meetings."""
        for index, fault in enumerate(faults):
            if not fits(fault):
                continue
            key = (type(fault).__name__, index)
            met = self._met.get(key, 0)
            self._met[key] = met + 1
            if met >= fault.skip and (fault.count is None or met < fault.skip + fault.count):
                self.struck += 1
                return fault
        return None
