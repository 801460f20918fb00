"""Folders that deserve a look, until intake takes them: bounded, for hints come as fast as people drop files."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.pipeline.context import ScanHint

MAX_HINTS = 4096
"""Hints kept of one rule. More of them mean "scan the rule", which finds all that they pointed at."""


class HintQueue:
    """Hints by rule, each once, in the order in which they came."""

    def __init__(self, limit: int = MAX_HINTS) -> None:
        self._limit = limit
        self._hints: dict[str, dict[ScanHint, None]] = {}
        self._lost: set[str] = set()

    def __repr__(self) -> str:
        return f"<HintQueue of {sum(map(len, self._hints.values()))}, {len(self._lost)} overflowed>"

    def __bool__(self) -> bool:
        return bool(self._hints or self._lost)

    def __iter__(self) -> Iterator[ScanHint]:
        return chain.from_iterable(self._hints.values())

    def add(self, hint: ScanHint) -> None:
        """Keep a hint, or none of its rule when there are too many."""
        if hint.rule in self._lost:
            return
        hints = self._hints.setdefault(hint.rule, {})
        hints[hint] = None
        if len(hints) > self._limit:
            del self._hints[hint.rule]
            self._lost.add(hint.rule)

    def take(self) -> tuple[list[ScanHint], set[str]]:
        """All hints, and the rules that had too many of them and are to be scanned."""
        hints, lost = list(self), self._lost
        self._hints, self._lost = {}, set()
        return hints, lost
