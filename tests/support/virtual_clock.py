"""Trio's mock clock, made to wait for worker threads: virtual time stands still while real work is done."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import trio
from trio.testing import MockClock


class _Threads:
    """Counts the calls to worker threads that were not answered yet, whichever limiter they are under."""

    def __init__(self) -> None:
        self.busy = 0
        self._run = anyio.to_thread.run_sync
        vars(anyio.to_thread)["run_sync"] = self._counted

    async def _counted(self, *given: Any, **options: Any) -> Any:
        self.busy += 1
        try:
            return await self._run(*given, **options)
        finally:
            self.busy -= 1


THREADS = _Threads()


def patient_clock() -> MockClock:
    """A clock that jumps to the next deadline once every task waits and no worker thread is busy.

    The plain mock clock takes a file hash or a commit that is slower than its threshold for idleness
    and jumps over it, which a loaded machine makes happen. Its class cannot be extended, so this one
    object is.
    """
    clock = MockClock(autojump_threshold=0.001)
    jump = clock._autojump

    def jump_when_idle() -> None:
        if not (THREADS.busy or trio.to_thread.current_default_thread_limiter().borrowed_tokens):
            jump()

    vars(clock)["_autojump"] = jump_when_idle
    return clock
