"""Where the API is, who we are there, and the bounds of what a client does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SecretKey:
    """An API key that never prints itself. `read` is asked once, and again on `reload_key()`."""

    def __init__(self, read: Callable[[], str] | str = "") -> None:
        self._read = read if callable(read) else lambda: read
        self._value = self._read().strip()

    def reveal(self) -> str:
        return self._value

    def reload_key(self) -> bool:
        """Fetch the key again, after a rotation; tell whether it changed. Raises what `read` raises."""
        before, self._value = self._value, self._read().strip()
        return before != self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "SecretKey(***)" if self._value else "SecretKey(empty)"


@dataclass(frozen=True, slots=True)
class Service:
    """Where the API is and who we are there. `url` is the origin; a trailing `/v1` is tolerated."""

    url: str
    organization: str = ""
    api_key: SecretKey = field(default_factory=SecretKey, compare=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of time (seconds), size (bytes) and parallelism. The defaults suit the public service.

    `total` ends a whole API call, `connect` and `idle` a connection attempt and a silence on the
    line. A transfer may take `transfer` plus one second per `least_rate` bytes: a peer that drips one
    byte per `idle` would otherwise hold a slot for ever.
    """

    connect: float = 10.0
    idle: float = 30.0
    total: float = 60.0
    transfer: float = 120.0
    least_rate: int = 32 * 1024
    answer: int = 16 * 1024 * 1024
    connections: int = 64
    transfers: int = 64
