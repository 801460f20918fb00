"""The same question of many threads, asked for all that wait in one way there and back.

An answer is as fresh as if each had asked by itself: it is to a question that was sent after the thread came, and
who has it waits for nobody else's.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
V = TypeVar("V")


class _Question(Generic[V, T]):
    """What one thread asks about, and the answer once there is one."""

    __slots__ = ("answer", "value")

    def __init__(self, value: V) -> None:
        self.value = value
        self.answer: list[T] = []


class Questions(Generic[V, T]):
    """Asks `ask`, one thread at a time, about the values of all that came while it was asked before."""

    def __init__(self, ask: Callable[[list[V]], Sequence[T]]) -> None:
        self._ask = ask
        self._turn = threading.Condition()
        self._asking = False
        self._waiting: list[_Question[V, T]] = []

    @property
    def waiting(self) -> int:
        """Threads that wait to be asked for."""
        with self._turn:
            return len(self._waiting)

    def answer(self, value: V) -> T:
        """The answer about a value. Blocking.

        What `ask` raises is raised to the thread that asked; the others ask again.
        """
        question = _Question[V, T](value)
        with self._turn:
            self._waiting.append(question)
            self._turn.wait_for(lambda: question.answer or not self._asking)
            if question.answer:
                return question.answer[0]
            self._asking = True
            gathered, self._waiting = self._waiting, []
        answers: Sequence[T] | None = None
        try:
            answers = self._ask([each.value for each in gathered])
        finally:
            with self._turn:
                self._asking = False
                if answers is None:
                    self._waiting += [each for each in gathered if each is not question]
                else:
                    for each, answer in zip(gathered, answers, strict=True):
                        each.answer.append(answer)
                self._turn.notify_all()
        return question.answer[0]
