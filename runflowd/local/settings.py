"""How one local service is set up: where it keeps things, who may call it, what it pretends to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from runflowd.local.api_variants import ApiVariants
from runflowd.local.faults.plan import Faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Section = TypeVar("Section", bound=BaseModel)

MAX_UPLOAD_BYTES = 52_428_800
"""50 MiB (API reference, asset-uploads: `size_bytes`)."""

MAX_JSON_BYTES = 80 * 1024 * 1024
"""The largest JSON body taken. The hosted API publishes no limit; this one fits a 50 MiB data URI."""


@dataclass(frozen=True)
class LocalSettings:
    """Everything a local service is told at its start.

    `folder` holds the database and the files; it is made when missing. An empty `api_keys` accepts any
    non-empty bearer token. `balance` is the credit in US dollars before anything was bought. `weights` is the
    network's file, None looks in the usual places. `public_url` is the base of signed URLs; empty takes the
    host that each request named. Lifetimes, back-off and timeouts are seconds. `callback_backoff` is the wait
    after each failed delivery, so its length bounds the attempts: one more than it has entries.
    `control` switches the `/_control` routes, which are not part of the API.
    """

    folder: Path
    api_keys: frozenset[str] = frozenset()
    balance: Decimal = Decimal(1000)
    weights: Path | None = None
    public_url: str = ""
    url_lifetime: float = 3600.0
    upload_lifetime: float = 900.0
    model_workers: int = 1
    callback_backoff: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    callback_timeout: float = 5.0
    control: bool = True
    faults: Faults = field(default_factory=Faults)
    api_variants: ApiVariants = field(default_factory=ApiVariants)


class BadSwitch(ValueError):
    """A reading or fault that does not exist; `where` is its path, such as `faults.requests.0.kind`."""

    def __init__(self, where: str, message: str) -> None:
        self.where = where
        super().__init__(message)


def switches(api_variants: Mapping[str, Any], faults: Mapping[str, Any]) -> tuple[ApiVariants, Faults]:
    """API variants and faults as they stand in a configuration. Raises BadSwitch."""
    return _checked(ApiVariants, "api_variants", api_variants), _checked(Faults, "faults", faults)


def _checked(section: type[Section], name: str, values: Mapping[str, Any]) -> Section:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadSwitch(".".join(map(str, (name, *first["loc"]))), first["msg"]) from None
