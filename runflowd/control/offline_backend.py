"""The same answers when no daemon can be asked: from the state file, read or changed in one transaction."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from runflowd.config import load
from runflowd.control.command_context import CommandContext, Outside
from runflowd.control.registry import entry
from runflowd.store import Locked, reading
from runflowd.store.configuration import ensure_own
from runflowd.store.connection import connect, lock
from runflowd.store.schema import check_schema, migrate
from runflowd.store.store import ensure_exists, in_transaction
from runflowd.system import deadline
from runflowd.system.deadline import within
from runflowd.system.failpoints import reach
from runflowd.system.paths import state_path

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config
    from runflowd.control.command_context import Answer, Handler, Parameters


class OfflineBackend:
    """Answers commands from the state file of a configuration. Raises ConfigError."""

    def __init__(self, source: Path) -> None:
        self._config = load(source)
        self._path = state_path(self._config)

    def answer(self, name: str, parameters: Parameters) -> Answer:
        """The answer to one command. Raises CommandRefused, and StoreError without a usable state file."""
        asked = entry(name)
        if asked.writes:
            return _whole(_write(self._path, self._config, asked.handler(), parameters))
        with reading(self._path) as reader:
            if asked.prepares:
                ensure_own(reader, self._path, self._config.source)
            found = asked.handler()(CommandContext(reader, self._path, self._config, time.time()), parameters)
        return _whole(found)


def _whole(found: Answer | Outside) -> Answer:
    """An answer with what folders say, asked when the state file is closed. Raises `NoAnswer`."""
    return within(deadline.ANSWER_TIMEOUT, found.folder, found.look) if isinstance(found, Outside) else found


def _write(path: Path, config: Config, handler: Handler, parameters: Parameters) -> Answer | Outside:
    """All of it or nothing; a daemon that starts meanwhile waits, and one that runs unheard sees it in the file."""
    ensure_exists(path)
    with ExitStack() as stack:
        held = _try_lock(stack, path)
        connection = connect(path)
        stack.callback(connection.raw.close)
        if held:
            migrate(connection, path)
        check_schema(connection, path)
        ensure_own(connection, path, config.source)
        with in_transaction(connection, path):
            answer = handler(CommandContext(connection, path, config, time.time()), parameters)
        reach("command.recorded")
    return answer


def _try_lock(stack: ExitStack, path: Path) -> bool:
    try:
        stack.enter_context(lock(path))
    except Locked:
        return False
    return True
