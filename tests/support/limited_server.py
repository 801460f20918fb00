"""A service that allows so many requests a second, and clients with a limiter each, in simulated time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.core.rate import RateLimit, Start


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the requests from the thirtieth second on: share of the allowed rate, share that was refused."""

    used: float
    refused: float


def pursue(
    limits: Sequence[RateLimit],
    rate: float,
    burst: int,
    *,
    seconds: float = 150.0,
    retry_after: bool = False,
    late: float = 0.0005,
    seed: int = 1,
) -> Outcome:
    """Send as many requests as the limits let go, 64 at once each at most, to one token bucket.

    Each request is `late` seconds late.
    """
    chance = Random(seed)
    now, in_flight, tokens, filled = 0.0, [0] * len(limits), float(burst), 0.0
    numbers = count()
    events: list[tuple[float, int, int, bool, Start, bool]] = []
    answers: list[bool] = []
    while now < seconds:
        due, client = min(
            (now + limit.wait(now) + chance.expovariate(1 / late) if in_flight[client] < 64 else float("inf"), client)
            for client, limit in enumerate(limits)
        )
        if not events or due <= events[0][0]:
            now = due
            in_flight[client] += 1
            arrival, start = now + chance.uniform(0.001, 0.003), limits[client].start(now)
            heapq.heappush(events, (arrival, next(numbers), client, False, start, False))
            continue
        now, _, client, answered, start, accepted = heapq.heappop(events)
        if not answered:
            tokens, filled = min(float(burst), tokens + (now - filled) * rate), now
            accepted = tokens >= 1.0
            tokens -= accepted
            heapq.heappush(events, (now + chance.uniform(0.005, 0.05), next(numbers), client, True, start, accepted))
            continue
        in_flight[client] -= 1
        answers += [accepted] if now >= 30.0 else []
        if accepted:
            limits[client].accepted()
        else:
            limits[client].refused(start, now, max(1.0, round((1.0 - tokens) / rate)) if retry_after else None)
    return Outcome(sum(answers) / (now - 30.0) / rate, 1.0 - sum(answers) / max(1, len(answers)))
