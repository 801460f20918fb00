"""`Idempotency-Key`: the first answer under a key is the answer, across restarts.

The answer is stored in the transaction that made the thing, so there is no moment in which a repeat could
make a second one. Refusals are not stored: a repeat after 402 or 422 is judged anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runflowd.local.http.errors import Refusal, invalid, problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from runflowd.local.context import Service

HEADER = "idempotency-key"


@dataclass(frozen=True, slots=True)
class Once:
    """One request under a key; an empty key promises nothing."""

    service: Service
    key: str
    fingerprint: str

    def replay(self) -> dict[str, Any] | None:
        """The stored answer, None when this is the first time. Raises 409 when the request differs."""
        if not self.key:
            return None
        row = self.service.storage.one("SELECT * FROM idempotency WHERE key = ?", self.key)
        if row is None:
            return None
        if row["fingerprint"] != self.fingerprint:
            raise Refusal(409, "This Idempotency-Key was used with another request.")
        stored: dict[str, Any] = json.loads(row["answer"])
        return stored

    def remember(self, answer: dict[str, Any]) -> None:
        """Store the answer; to be called inside the transaction that made it true."""
        if self.key:
            row = {"key": self.key, "fingerprint": self.fingerprint, "answer": json.dumps(answer)}
            self.service.storage.insert("idempotency", [{**row, "created_at": self.service.clock()}])


def once(request: Request, service: Service, body: bytes, *, batch: bool) -> Once:
    """The request's key under the API variants in force. Raises 422 for a key over 255 characters."""
    key = request.headers.get(HEADER, "")
    if len(key) > 255:
        raise invalid([problem(("header", "Idempotency-Key"), "String should have at most 255 characters")])
    reading = service.api_variants.idempotency
    counts = reading == "honoured" or (reading == "batches" and batch)
    head = f"{request.method}\n{request.url.path}\n".encode()
    return Once(service, key if counts else "", hashlib.sha256(head + body).hexdigest())
