"""Questions of many threads at once: few ways there and back, and no answer that is older than its question."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runflowd.store.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 20.0


class Database:
    """Answers, once it is let, with the value and how often it was asked until then. It fails the times in `away`."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.asked: list[list[str]] = []
        self.away: set[int] = set()
        self._go_on = threading.Semaphore(0)
        self._pool = pool
        self._questions = Questions[str, str](self._ask)

    def _ask(self, values: list[str]) -> list[str]:
        self.asked.append(values)
        number = len(self.asked)
        assert self._go_on.acquire(timeout=TIMEOUT)
        if number in self.away:
            raise OSError("the server is away")
        return [f"{value}{number}" for value in values]

    def let(self, times: int) -> None:
        """Let it answer so often."""
        self._go_on.release(times)

    def threads(self, *values: str) -> list[Future[str]]:
        """A thread for each value, each of which waits for its answer when this returns: the first is asking."""
        found = []
        for value in values:
            before = (len(self.asked), self._questions.waiting)
            found.append(self._pool.submit(self._questions.answer, value))
            deadline = time.monotonic() + TIMEOUT
            while (len(self.asked), self._questions.waiting) == before or not self.asked:
                assert time.monotonic() < deadline
                time.sleep(0.001)
        return found


@pytest.fixture
def database() -> Iterator[Database]:
    with ThreadPoolExecutor(8) as pool:
        found = Database(pool)
        yield found
        found.let(100)


def test_who_comes_while_one_is_asked_for_is_asked_for_with_all_others(database: Database) -> None:
    """The answer under way is too old for them: it may have been given before they came."""
    waiting = database.threads("a", "b", "c", "d")
    database.let(2)

    assert ["a1", "b2", "c2", "d2"] == [each.result(TIMEOUT) for each in waiting]
    assert [["a"], ["b", "c", "d"]] == database.asked


def test_an_answer_waits_for_no_later_question(database: Database) -> None:
    """The next way there may take long, and the answer would be old then."""
    first, second = database.threads("a", "b")
    database.let(1)

    assert "a1" == first.result(TIMEOUT)
    assert not second.done()


def test_a_failure_is_that_of_who_asked(database: Database) -> None:
    """Those that were asked for with it ask again, each until it has an answer or a failure of its own."""
    database.away = {2}
    waiting = database.threads("a", "b", "c", "d")
    database.let(4)

    ended = [each.exception(TIMEOUT) for each in waiting]

    assert 1 == sum(isinstance(each, OSError) for each in ended)
    assert 3 == sum(each is None for each in ended)
    assert 3 == len(database.asked)
    assert 2 == len(database.asked[2])
