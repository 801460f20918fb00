"""A mistake in a configuration, by the place that it stands at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.config.yaml.events import Path


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """A fault at a path of the document; `at_key` says to point at the key instead of its value.

    `other` is a second place that has a part in it, if there is one.
    """

    path: Path
    message: str
    at_key: bool = False
    other: Path = ()
