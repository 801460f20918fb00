"""The same answers when no daemon can be asked: from the state file, read or changed in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runflowd.config import load_essentials
from runflowd.control.command_context import CommandContext, Outside
from runflowd.control.registry import entry
from runflowd.store import reading
from runflowd.store.configuration import ensure_own
from runflowd.store.opening import changing, in_transaction
from runflowd.system import deadline
from runflowd.system.deadline import within
from runflowd.system.failpoints import reach
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Essentials
    from runflowd.control.command_context import Answer, Handler, Parameters
    from runflowd.system.paths import Place


class OfflineBackend:
    """Answers commands from the state file of a configuration. Raises ConfigError."""

    def __init__(self, source: Path) -> None:
        self._config = load_essentials(source)
        self._place = state_place(self._config)

    def answer(self, name: str, parameters: Parameters) -> Answer:
        """The answer to one command. Raises CommandRefused, and StoreError without a usable state file."""
        asked = entry(name)
        if asked.writes:
            return _whole(_write(self._place, self._config, asked.handler(), parameters))
        with reading(self._place) as reader:
            if asked.prepares:
                ensure_own(reader, self._place, self._config.source)
            found = asked.handler()(CommandContext(reader, self._place, self._config, time.time()), parameters)
        answer = _whole(found)
        if not isinstance(found, Outside) or found.then is None:
            return answer
        with reading(self._place) as reader:
            return found.then(CommandContext(reader, self._place, self._config, time.time()), answer)


def _whole(found: Answer | Outside) -> Answer:
    """An answer with what folders say, asked when the state file is closed. Raises `NoAnswer`."""
    return within(deadline.ANSWER_TIMEOUT, found.folder, found.look) if isinstance(found, Outside) else found


def _write(place: Place, config: Essentials, handler: Handler, parameters: Parameters) -> Answer | Outside:
    """All of it or nothing."""
    with changing(place) as connection:
        ensure_own(connection, place, config.source)
        with in_transaction(connection, place):
            answer = handler(CommandContext(connection, place, config, time.time()), parameters)
        reach("command.recorded")
    return answer
