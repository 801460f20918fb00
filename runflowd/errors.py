"""Every error runflowd raises on purpose, as one tree.

RunflowdError
├── ConfigError           the YAML is wrong; carries every problem found
├── StoreError            the state file cannot be used
├── FileError           a user's file or folder cannot be read or written
└── ApiError              (runflowd.api.errors) the service said no, or did not answer

Each exception takes facts and formats its own sentence, so call sites stay short and no two
places word the same trouble differently. The sentence says what happened, where, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass


class RunflowdError(Exception):
    """Root of all errors raised on purpose; anything else that escapes is a bug."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration file.

    `line` and `column` count from 1 and point at the key or value to change; 0 means the whole file.
    `where` is the path inside the document, such as `rules.studio.batch.quiet`.
    """

    file: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


class ConfigError(RunflowdError):
    """The configuration is refused; `problems` holds every mistake found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class StoreError(RunflowdError):
    """The state file cannot be used: newer schema, damage, or another daemon holds it."""


class StateInUse(StoreError):
    """Another process works on the state."""
