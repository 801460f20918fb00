"""When to try again.

The schedule is the one the service advises: start at 1 s, double, cap at 32 s, add up to 1 s of
jitter, 5 attempts (API concepts, errors and retries). The caller draws the jitter; nothing here is
random, so a test can name the exact second.
"""

from __future__ import annotations

MAX_WAIT = 3600.0
"""Seconds; no server may silence us for longer than an hour with `Retry-After`."""


def delay(
    attempt: int, *, base: float = 1.0, cap: float = 32.0, jitter: float, retry_after: float | None = None
) -> float:
    """Return the seconds to wait after the failed try number `attempt`, counted from 1.

    `jitter` lies in [0, 1) and is added in units of `base`. A `retry_after` from the server is a
    lower bound, itself bounded by an hour.
    """
    doubled = min(cap, base * 2.0 ** min(max(attempt, 1) - 1, 62))
    asked = min(retry_after, MAX_WAIT) if retry_after is not None and retry_after > 0 else 0.0
    return max(doubled, asked) + jitter * base


def poll_delay(age: float, usual: float | None, base: float, *, jitter: float = 0.0, cap: float = 30.0) -> float:
    """Return the seconds until a batch of `age` seconds is worth another look.

    While the model's `usual` duration lies well ahead, half of the remaining time is waited; around
    it, `base`; past it, a tenth of the overrun, so that a batch that hangs for a day costs little. Without
    a `usual`, a tenth of its age. The wait stays within [base, cap], before `jitter` (in [0, 1)) adds up to a fifth.
    """
    expected = usual if usual is not None and 0.0 < usual < MAX_WAIT * 24 else 0.0
    ahead = expected * 0.8 - age
    wait = ahead / 2 if ahead > 0 else (age - expected) / 10
    return min(max(wait, base), max(cap, base)) * (1.0 + jitter / 5)
