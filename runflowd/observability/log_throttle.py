"""Equal errors that come by the hundred, logged in few lines: the first at once, the others by the minute.

What concerns one file, one try or one turn is logged through here. A folder full of broken files, or a disk that
is full all night, then costs a line a minute and not one per file; each file's own story is in the state file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from runflowd.core.rate_counter import RateCounter

if TYPE_CHECKING:
    from runflowd.system.clock import Clock

log = structlog.get_logger()

_Kind: TypeAlias = "tuple[str, str, str, str]"


class LogThrottle:
    """Counts equal errors by level, action, rule and code; `log_overdue` is to be called from time to time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counter: RateCounter[_Kind] = RateCounter()
        self._latest: dict[_Kind, tuple[str, dict[str, Any]]] = {}

    def __repr__(self) -> str:
        return f"<LogThrottle {len(self._latest)} kept back>"

    def warning(self, sentence: str, *, action: str, rule: str = "", code: str = "", **facts: Any) -> None:
        """Log one event, or only count it when an equal one was logged within the last minute."""
        self._note(("warning", action, rule, code), sentence, facts)

    def error(self, sentence: str, *, action: str, rule: str = "", code: str = "", **facts: Any) -> None:
        """The same for what somebody must look at."""
        self._note(("error", action, rule, code), sentence, facts)

    def log_overdue(self) -> None:
        """Log what was kept back for a whole minute: the latest of each kind, and how many there were."""
        for kind, count in self._counter.overdue(self._clock.now()).items():
            _log(kind, count, *self._latest.pop(kind))

    def _note(self, kind: _Kind, sentence: str, facts: dict[str, Any]) -> None:
        if count := self._counter.note(kind, self._clock.now()):
            self._latest.pop(kind, None)
            _log(kind, count, sentence, facts)
        else:
            self._latest[kind] = (sentence, {name: fact for name, fact in facts.items() if name != "exc_info"})


def _log(kind: _Kind, count: int, sentence: str, facts: dict[str, Any]) -> None:
    level, action, rule, code = kind
    more = {"rule": rule, "code": code, "count": count if count > 1 else 0}
    say = log.error if level == "error" else log.warning
    say(sentence, action=action, **{name: value for name, value in more.items() if value}, **facts)
