"""Asking the daemon, or the state file when no daemon answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runflowd.commands.options import find_config
from runflowd.control.client import ask as ask_daemon

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.control.offline_backend import OfflineBackend


class CommandClient:
    """Asks on behalf of one command, which may have several questions."""

    def __init__(self, place: Path | None) -> None:
        self._source = find_config(place)
        self._alone: OfflineBackend | None = None

    @property
    def alone(self) -> bool:
        """Whether the last answer came from the state file, since no daemon gave one."""
        return self._alone is not None

    def ask(self, name: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command. Raises CommandRefused, and without a daemon ConfigError and StoreError."""
        answer = ask_daemon(self._source, name, parameters)
        if answer is not None:
            return answer
        # Imported here: with a daemon no configuration is read and no database opened.
        from runflowd.control.offline_backend import OfflineBackend  # noqa: PLC0415

        self._alone = self._alone or OfflineBackend(self._source)
        return self._alone.answer(name, parameters)


def ask(place: Path | None, name: str, **parameters: Any) -> dict[str, Any]:
    """The answer to one question, as `CommandClient.ask` gives it."""
    return CommandClient(place).ask(name, **parameters)
