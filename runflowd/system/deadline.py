"""A blocking call to a folder with a deadline, where no event loop runs: in commands, and while YAML is read.

What does not answer in time keeps its thread, which the end of the program does not wait for.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

from runflowd.core.printable import printable
from runflowd.errors import RunflowdError
from runflowd.system.mounts import share_of

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LOOK_TIMEOUT = 2.0
"""Seconds that a look at a folder may take while a configuration is read; a disk that sleeps answers later."""

ANSWER_TIMEOUT = 30.0
"""Seconds that a command waits for a folder."""

_hanging: dict[str, threading.Thread] = {}
"""By path, the calls that did not answer. All below a share that hangs is not asked before that one answers."""


class NoAnswer(RunflowdError):
    """A folder did not answer in time."""

    exit_code = 75

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{printable(path)} does not answer. Mend the server or the network behind it; what lies elsewhere can be "
            "asked meanwhile"
        )


def within(seconds: float, path: str, call: Callable[..., T], *given: object, progress: Callable[[], int] = int) -> T:
    """What a blocking call about a path answers. Raises what it raises, and `NoAnswer` when it takes too long.

    `progress` counts the signs of life that it gives; after each the time begins anew.
    """
    if any(thread.is_alive() and _covers(place, path) for place, thread in list(_hanging.items())):
        raise NoAnswer(path)
    answers: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()
    thread = threading.Thread(target=_run, args=(answers, call, given), name=f"probing {path}", daemon=True)
    thread.start()
    while True:
        seen = progress()
        try:
            answer = answers.get(timeout=seconds)
        except queue.Empty:
            if progress() == seen:
                _hanging[share_of(path) or path] = thread
                raise NoAnswer(path) from None
        else:
            return answer()


def _run(answers: queue.SimpleQueue[Callable[[], T]], call: Callable[..., T], given: tuple[object, ...]) -> None:
    try:
        found = call(*given)
    except Exception as error:  # noqa: BLE001  raised again where it is waited for
        trouble = error

        def fail() -> T:
            raise trouble

        answers.put(fail)
    else:
        answers.put(lambda: found)


def _covers(place: str, path: str) -> bool:
    return path == place or path.startswith(f"{place.rstrip('/')}/")
