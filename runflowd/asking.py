"""What a rule asks of a folder, and whether the folder owes an answer.

A call to a share whose server hangs returns when the server does, be it in days. So each rule's calls run on
worker threads beside the other rules', and are counted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds without any answer after which a folder is said to be silent."""


class Asking:
    """The calls of one rule to one folder.

    Those that only look and read may be given up: whoever stops does not wait for them, and one that wakes up later
    does no harm. Those that write are waited for.
    """

    def __init__(self, *, writes: bool = False) -> None:
        self._writes = writes
        self._open = 0
        self._answers = 0
        self._counted = -1
        self._since = 0.0
        self.told = False

    def __repr__(self) -> str:
        return f"<Asking, {self._open} questions open>"

    async def ask(self, call: Callable[..., T], *given: object) -> T:
        """Run a blocking call on a worker thread; a cancelled one that only reads is left to itself."""
        self.heard()
        self._open += 1
        try:
            return await anyio.to_thread.run_sync(call, *given, abandon_on_cancel=not self._writes)
        finally:
            self._open -= 1
            self.heard()

    def heard(self) -> None:
        """Note a sign of life, as after each of many files. May be called from any thread."""
        self._answers += 1

    def silent_for(self, now: float) -> float:
        """Seconds without a sign of life while an answer is owed, as far as those who ask this have noticed."""
        if not self._open or self._answers != self._counted:
            self._counted, self._since = self._answers, now
        return now - self._since
