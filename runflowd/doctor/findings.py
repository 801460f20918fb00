"""What an examination finds: a value for each fact, good or bad."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. `note` is worth knowing and asks for nothing."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. `subject` is where, `message` what it is and what it means, `remedy` what to do, "" if nothing.

    `check` names the group it is shown in.
    """

    check: str
    level: Level
    subject: str
    message: str
    remedy: str = ""


def good(check: str, subject: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, subject, message)


def note(check: str, subject: str, message: str) -> Finding:
    """It is so, and nothing need be done, or it cannot be known here."""
    return Finding(check, Level.NOTE, subject, message)


def warning(check: str, subject: str, message: str, remedy: str) -> Finding:
    """The work goes on, but not as it should."""
    return Finding(check, Level.WARNING, subject, message, remedy)


def problem(check: str, subject: str, message: str, remedy: str) -> Finding:
    """Something does not work, or will not."""
    return Finding(check, Level.PROBLEM, subject, message, remedy)
