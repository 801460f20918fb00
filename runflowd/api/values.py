"""What the client gives: frozen, checked, and safe to print.

Every string that can carry a permission (a presigned URL, a secret) is left out of the repr. Ids are
opaque strings: the documentation shows UUIDv7 and `batch_01J0...` alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from runflowd.core.model import Json


UNDERWAY = frozenset({"queued", "dispatching", "running"})
"""The words that the sources have for what has not ended."""


class Status(StrEnum):
    """How far a run, an item or a batch is. Words nobody documented mean `pending`."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial_succeeded"
    """Batches only: some items succeeded, others did not."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self is not Status.PENDING


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, in the service's words; any field may be empty."""

    code: str = ""
    message: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload session: PUT the bytes to `upload_url`, then confirm `asset_id`."""

    asset_id: str
    upload_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A stored file. `url` is signed and short-lived; empty when the answer held none.

    `life` is how many seconds the link lives, counted from the answer, None where it does not say.
    """

    id: str
    url: str = field(repr=False)
    life: float | None = None


@dataclass(frozen=True, slots=True)
class CreatedItem:
    """One row of a batch as the create call and the batch detail give it: no output, no error."""

    client_ref: str
    run_id: str
    sequence: int | None
    status: Status = Status.PENDING
    word: str = ""

    @property
    def ended(self) -> bool:
        return self.status.ended


@dataclass(frozen=True, slots=True)
class Created:
    """A batch or run that now exists. `items` may be empty: the guide's sample answer has none."""

    id: str
    items: tuple[CreatedItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch with its counters. `word` is the status as the server spelled it."""

    id: str
    status: Status
    word: str
    total: int | None
    succeeded: int | None
    failed: int | None
    cancelled: int | None
    items: tuple[CreatedItem, ...]
    cost: Decimal | None
    failure: Failure | None
    currency: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen: by its word, or by its counters where no source lists the word."""
        if self.status.ended or self.word.lower() in UNDERWAY or not self.total:
            return self.status.ended
        return (self.items_ended or 0) >= self.total

    @property
    def items_ended(self) -> int | None:
        """How many items have ended, by its counters; None where it has none."""
        counts = [each for each in (self.succeeded, self.failed, self.cancelled) if each is not None]
        return sum(counts) if counts else None


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a batch in full. `sequence` may count from 0 or from 1; never match by it first."""

    client_ref: str
    run_id: str
    sequence: int | None
    status: Status
    word: str
    output: Json = field(repr=False)
    cost: Decimal | None
    failure: Failure | None
    currency: str = ""
    """In which `cost` is, where that is said."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `batch_id` is empty when it belongs to no batch, `created_at` (epoch seconds) 0 where it is not told."""

    id: str
    batch_id: str
    client_ref: str
    status: Status
    word: str
    output: Json = field(repr=False)
    cost: Decimal | None
    failure: Failure | None
    currency: str = ""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a batch; `next` is the cursor of the following page, None on the last."""

    items: tuple[Item, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input a model declares. `kind` is the service's word: `string`, `image`, `image_list` ...

    `minimum`, `maximum` (inclusive) and `choices` (as text) are what its validator tells; None and empty for no limit.
    """

    name: str
    kind: str
    required: bool
    default: Json = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class ModelDetail:
    """A model of the catalog. `id` is `owner/slug` where known; `inputs` is empty in search results."""

    id: str
    name: str = ""
    description: str = ""
    inputs: tuple[ModelInput, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose key it is. `organizations` are names or slugs, `scopes` what the key may do where stated."""

    id: str
    email: str
    organizations: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credit:
    """What is left on the account, in dollars, and below what the service itself calls it low, where it says so."""

    balance: Decimal
    low: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CallbackSecret:
    """A new signing secret; the service shows `plain_secret` this once."""

    id: str
    plain_secret: str = field(repr=False)
