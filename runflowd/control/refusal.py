"""How a command says no. Alone here, since the client of `status` has little time to import."""

from __future__ import annotations

from runflowd.errors import RunflowdError


class CommandRefused(RunflowdError):
    """A command cannot be done as asked; the sentence says why and what to do, `exit_code` is how it ends."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        self.exit_code = exit_code
        super().__init__(sentence)
