"""A service that allows so many requests a second, and a client with a limiter, in simulated time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.core.rate import RateLimit, Start


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the requests from the thirtieth second on: share of the allowed rate, share that was refused."""

    used: float
    refused: float


def pursue(
    limit: RateLimit,
    rate: float,
    burst: int,
    *,
    seconds: float = 150.0,
    retry_after: bool = False,
    late: float = 0.0005,
    seed: int = 1,
) -> Outcome:
    """Send as many requests as `limit` lets go, 64 at once at most, to a token bucket; each is `late` seconds late."""
    chance = Random(seed)
    now, in_flight, tokens, filled = 0.0, 0, float(burst), 0.0
    numbers = count()
    events: list[tuple[float, int, bool, Start, bool]] = []
    answers: list[bool] = []
    while now < seconds:
        due = now + limit.wait(now) + chance.expovariate(1 / late) if in_flight < 64 else float("inf")
        if not events or due <= events[0][0]:
            now = due
            in_flight += 1
            heapq.heappush(events, (now + chance.uniform(0.001, 0.003), next(numbers), False, limit.start(now), False))
            continue
        now, _, answered, start, accepted = heapq.heappop(events)
        if not answered:
            tokens, filled = min(float(burst), tokens + (now - filled) * rate), now
            accepted = tokens >= 1.0
            tokens -= accepted
            heapq.heappush(events, (now + chance.uniform(0.005, 0.05), next(numbers), True, start, accepted))
            continue
        in_flight -= 1
        answers += [accepted] if now >= 30.0 else []
        if accepted:
            limit.accepted()
        else:
            limit.refused(start, now, max(1.0, round((1.0 - tokens) / rate)) if retry_after else None)
    return Outcome(sum(answers) / (now - 30.0) / rate, 1.0 - sum(answers) / max(1, len(answers)))
