"""Folders that deserve a scan, from the moment that somebody notices until they are scanned: the only queue of hints.

Watcher threads, other stages and the control socket put them in; intake takes them out, rule by rule. A hint is never
a fact: what it leads to is decided by the scan, and a lost one costs the time to the next rescan.
"""

from __future__ import annotations

from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from runflowd.core.turns import Lost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_HINTS = 4096
"""Hints kept of one rule. More of them mean "rescan the rule", which finds all that they pointed at."""


class ScanHint(NamedTuple):
    """A hint to scan one folder of a rule, relative to the watched one, and all that is beneath it if `deep`."""

    rule: str
    folder: str
    deep: bool = False


class HintQueue:
    """Hints by rule, each once, in the order in which they came. May be called from any thread.

    What puts hints in says whether somebody should be woken: whether the rule had none before.
    """

    def __init__(self, limit: int = MAX_HINTS) -> None:
        self._limit = limit
        self._lock = Lock()
        self._rules_at: dict[str, list[str]] = {}
        self._hints: dict[str, dict[ScanHint, bool]] = {}
        self._lost: dict[str, Lost] = {}
        self._later: list[tuple[float, ScanHint]] = []

    def __repr__(self) -> str:
        return f"<HintQueue of {sum(map(len, self._hints.values()))}, {len(self._lost)} overflowed>"

    def __bool__(self) -> bool:
        return bool(self._lost) or any(self._hints.values())

    def __iter__(self) -> Iterator[ScanHint]:
        return chain.from_iterable(self._hints.values())

    def set_roots(self, roots: Mapping[str, str]) -> None:
        """Keep hints for exactly these rules; each has the absolute path of its watched folder."""
        with self._lock:
            self._rules_at = {}
            for rule, root in roots.items():
                self._rules_at.setdefault(root.rstrip("/"), []).append(rule)
            self._hints = {rule: self._hints.get(rule, {}) for rule in roots}
            self._lost = {rule: lost for rule, lost in self._lost.items() if rule in roots}

    def add(self, rule: str, folder: str) -> bool:
        """Hint that a folder of one rule is to be scanned. One that is not in force has no hints."""
        with self._lock:
            return self._add(ScanHint(rule, folder), again=True)

    def add_path(self, path: str, *, deep: bool = False) -> bool:
        """Hint that a folder, given by its absolute path, is to be scanned for every rule that it lies in."""
        first = False
        root = path.rstrip("/")
        with self._lock:
            while self._rules_at:
                for rule in self._rules_at.get(root, ()):
                    folder = path.rstrip("/")[len(root) + 1 :]
                    if deep and not folder:
                        first |= self._lose(rule, Lost.REARMED)
                    else:
                        first |= self._add(ScanHint(rule, folder, deep), again=True)
                if not root:
                    break
                root = root.rpartition("/")[0]
        return first

    def lose(self) -> bool:
        """Note that hints were lost, and nobody knows of which rules."""
        first = False
        with self._lock:
            for rule in self._hints:
                first |= self._lose(rule, Lost.HINTS)
        return first

    def repeat(self, hint: ScanHint, due: float) -> None:
        """Put a hint in once more, when that is `due` in monotonic seconds: not for a third time."""
        with self._lock:
            if len(self._later) < self._limit:
                self._later.append((due, hint))
            elif hint.rule in self._hints:
                self._lose(hint.rule, Lost.HINTS)

    def put_due(self, now: float) -> None:
        """Put in what is to be repeated by now."""
        with self._lock:
            due = [hint for when, hint in self._later if when <= now]
            self._later = [each for each in self._later if each[0] > now]
            for hint in due:
                self._add(hint, again=False)

    @property
    def next_due(self) -> float | None:
        """When the next hint is to be repeated; None while there is not."""
        return min((due for due, _ in self._later), default=None)

    def waiting(self, rule: str) -> bool:
        """Whether there are hints of a rule, or were."""
        return bool(self._hints.get(rule)) or rule in self._lost

    def pop(self, rule: str) -> tuple[ScanHint, bool] | None:
        """The oldest hint of a rule that no other one covers, and whether it deserves a second scan."""
        with self._lock:
            hints = self._hints.get(rule)
            while hints:
                hint = next(iter(hints))
                again = hints.pop(hint)
                if not _is_covered(hint, hints):
                    return hint, again
        return None

    def pop_lost(self, rule: str) -> Lost:
        """What was lost of a rule since the last call."""
        with self._lock:
            return self._lost.pop(rule, Lost.NOTHING)

    def discard(self, rule: str) -> None:
        """Drop all that is known of a rule, whose folder is to be scanned as a whole anyhow."""
        with self._lock:
            self._hints.get(rule, {}).clear()
            self._lost.pop(rule, None)

    def _add(self, hint: ScanHint, *, again: bool) -> bool:
        hints = self._hints.get(hint.rule)
        if hints is None or self._lost.get(hint.rule) is Lost.HINTS or _is_covered(hint, hints):
            return False
        first = not hints
        hints[hint] = again or hints.get(hint, False)
        return self._lose(hint.rule, Lost.HINTS) if len(hints) > self._limit else first

    def _lose(self, rule: str, lost: Lost) -> bool:
        before = self._lost.get(rule, Lost.NOTHING)
        self._lost[rule] = max(before, lost)
        if lost is Lost.HINTS:
            self._hints[rule].clear()
        return before is Lost.NOTHING


def _is_covered(hint: ScanHint, hints: Mapping[ScanHint, bool]) -> bool:
    """Whether another hint leads to the same folder from the same place or further above, and as often."""
    folder = hint.folder
    while folder:
        folder = folder.rpartition("/")[0]
        above = hints.get(ScanHint(hint.rule, folder, deep=True))
        if above or (above is not None and not hint.deep):
            return True
    return not hint.deep and hint._replace(deep=True) in hints
