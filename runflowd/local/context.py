"""What every route and every background task of one service shares."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from typing import TYPE_CHECKING

import anyio

from runflowd.local.blobs import Blobs
from runflowd.local.faults.plan import FaultPlan
from runflowd.local.http.errors import not_found
from runflowd.local.identity import new_id, parse_id, to_micros
from runflowd.local.models.bundled import BUNDLED, bundled
from runflowd.local.models.catalog import catalog
from runflowd.local.signing import Signer
from runflowd.local.storage import Storage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from decimal import Decimal

    from runflowd.local.models.contract import Model
    from runflowd.local.settings import LocalSettings

ORGANISATION = "018f0000-0000-7000-8000-000000000001"
"""The one organisation that everything belongs to."""


class Signal:
    """Wakes everyone who waits; nobody relies on it, each waiter looks at the rows again."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake those who wait now."""
        self._event.set()
        self._event = anyio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when set, at the latest after `seconds`."""
        event = self._event
        with anyio.move_on_after(seconds):
            await event.wait()


class Service:
    """One local service's parts: rows, files, models, switches, and the signals between its tasks."""

    def __init__(self, settings: LocalSettings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.storage = Storage(settings.folder)
        self.blobs = Blobs(settings.folder)
        self.signer = Signer(self.storage.meta("signing_key", secrets.token_hex(32)), clock)
        self.models: dict[str, Model] = catalog(settings.weights)
        self.api_variants = settings.api_variants
        self.plan = FaultPlan(settings.faults, clock)
        self.requests: Counter[str] = Counter()
        self.loopback_only = False
        self.base = settings.public_url.rstrip("/")
        self.spent = self._spent()
        self.work, self.posts, self.settled = Signal(), Signal(), Signal()

    def new_id(self) -> str:
        """A fresh UUIDv7."""
        return new_id(self.clock())

    def balance(self) -> int:
        """The credit left, in millionths of a dollar: what was given, less what was charged."""
        return to_micros(self.settings.balance) + int(self.storage.meta("top_up", "0")) - self.spent

    def _spent(self) -> int:
        row = self.storage.one("SELECT coalesce(sum(amount), 0) AS spent FROM charges")
        assert row is not None
        return int(row["spent"])

    def set_balance(self, amount: Decimal) -> None:
        """Give or take credit until exactly this much is left."""
        change = to_micros(amount) - self.balance()
        self.storage.set_meta("top_up", str(int(self.storage.meta("top_up", "0")) + change))

    def model(self, name: str) -> Model:
        """The model of this id or uuid. Raises 404."""
        found = self.models.get(name) or next(
            (model for model in self.models.values() if model_id(model) == parse_id(name)), None
        )
        if found is None:
            raise not_found("model", name)
        return bundled(found) if self.api_variants.replace_inputs == "zip" and found.id in BUNDLED else found

    def find(self, table: str, what: str, identity: str) -> sqlite3.Row:
        """The row with this id in any spelling. Raises 404."""
        canonical = parse_id(identity)
        sql = f"SELECT * FROM {table} WHERE id = ?"  # noqa: S608 - the table is our own word
        row = self.storage.one(sql, canonical) if canonical else None
        if row is None:
            raise not_found(what, identity)
        return row

    def is_idle(self) -> bool:
        """Whether no run is waiting or in work (stuck ones aside) and no callback is still to be sent."""
        runs = self.storage.one("SELECT 1 FROM runs WHERE status = 'queued' LIMIT 1")
        posts = self.storage.one("SELECT 1 FROM deliveries WHERE status = 'pending' LIMIT 1")
        return runs is None and posts is None and not self.in_work

    in_work: frozenset[str] = frozenset()
    """Ids of the runs that a worker holds right now."""


def model_id(model: Model) -> str:
    """The model's uuid, the same on every machine."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"runflow:{model.id}"))
