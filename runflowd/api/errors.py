"""What can go wrong between runflowd and the service, as one tree.

ApiError                  carries action, host, status, code, message, request_id, and a scope
├── Transient             network, timeout, 408, 5xx, an answer that is no JSON: try again later
│   └── RateLimited       429
├── Permanent             any other 4xx: the same request will fail again
│   ├── NotFound          404, 410
│   ├── Gone              404, 410 of a storage: nothing is at a presigned link
│   ├── Conflict          409: the idempotency key was used with another body
│   └── Rejected          400, 422: `problems` tell which fields, `item_indexes()` which items
├── Unauthorized          401, 403 from the API: the key, not the request
├── OutOfCredit           402: nothing was created
├── Expired               a presigned link is no longer good: ask for a fresh one
└── Unsafe                something the server sent was refused here: an address, a redirect, a size

The texts come from a hostile place: they are stripped of control characters, of URL queries and of
anything that looks like a key before they become part of an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self

from runflowd.api.redaction import redact
from runflowd.core.printable import shortened
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from runflowd.api.rejection import Rejection

MESSAGE_LIMIT = 2000
"""Characters of the server's own words that an error keeps."""

SHOWN_LIMIT = 300
"""Characters of them that its sentence shows."""

CODE_LIMIT = 80


class Scope(StrEnum):
    """What an error stops: the smallest thing that must pause while it lasts."""

    ITEM = "item"
    BATCH = "batch"
    RULE = "rule"
    SERVICE = "service"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call went: what we tried (`create the batch`), the host, and the answer's request id."""

    action: str
    host: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """What takes no requests for now, "service", "credit" or "storage", and for how many seconds."""

    scope: str
    seconds: float


class ApiError(RunflowdError):
    """The service refused, or could not be heard.

    `status` is the HTTP status, None when there was no answer. `code` and `message` are the server's
    (or, without an answer, ours), already redacted. `scope` is what should pause. `closed` says what takes
    no requests because of this error and others like it, None when the failure is this request's own.
    """

    remedy: ClassVar[str] = ""
    scope: Scope = Scope.SERVICE

    def __init__(
        self,
        place: Place,
        *,
        status: int | None = None,
        code: str = "",
        message: str = "",
        scope: Scope | None = None,
    ) -> None:
        self.action = place.action
        self.host = redact(place.host, CODE_LIMIT * 2)
        self.request_id = redact(place.request_id, CODE_LIMIT)
        self.status = status
        self.code = redact(code, CODE_LIMIT)
        self.message = redact(message, MESSAGE_LIMIT)
        if scope is not None:
            self.scope = scope
        self.closed: Closed | None = None
        super().__init__(self._sentence())

    def unsent(self, closed: Closed | None) -> Self:
        """The same error for a request that was not sent because of it."""
        again = type(self).__new__(type(self), *self.args)
        vars(again).update(vars(self), scope=Scope.SERVICE, closed=closed)
        if isinstance(again, Transient):
            again.ambiguous = False
        return again

    @property
    def answer(self) -> str:
        """Who said what: the host, the status, and the code and words that came with it."""
        said = f"{self.host} answered {self.status}" if self.status else self.host
        said += f" ({self.code})" if self.code else ""
        return said + (f": {shortened(self.message, SHOWN_LIMIT)}" if self.message else "")

    @property
    def is_cut(self) -> bool:
        """Whether the server said more than the sentence shows; `message` has it."""
        return len(self.message) > SHOWN_LIMIT

    @property
    def in_full(self) -> str:
        """The sentence with all that the server said, for a place that has room."""
        return str(self).replace(shortened(self.message, SHOWN_LIMIT), self.message) if self.is_cut else str(self)

    @property
    def reference(self) -> str:
        """The request's id at the service, as the end of a sentence."""
        return f" [request {self.request_id}]" if self.request_id else ""

    @property
    def plain(self) -> str:
        """The sentence without a remedy, for whoever gives one that fits the place better."""
        return f"cannot {self.action}: {self.answer}".removesuffix(".") + self.reference

    def _sentence(self) -> str:
        sentence = f"cannot {self.action}: {self.answer}".removesuffix(".")
        return sentence + (f". {self.remedy}" if self.remedy else "") + self.reference


class Transient(ApiError):
    """Worth another try. `retry_after` is in seconds, None when the server named no time.

    `ambiguous` says that the request may have been acted upon: it had left this machine, and no
    answer that can be trusted came back. A purchase is then repeated only under the same key.
    """

    def __init__(
        self,
        place: Place,
        *,
        status: int | None = None,
        code: str = "",
        message: str = "",
        scope: Scope | None = None,
        retry_after: float | None = None,
        ambiguous: bool = False,
    ) -> None:
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        super().__init__(place, status=status, code=code, message=message, scope=scope)


class RateLimited(Transient):
    """429: too many requests; nothing was done."""


class Permanent(ApiError):
    """The request itself is at fault; sending it again changes nothing."""

    scope = Scope.BATCH


class NotFound(Permanent):
    """404 or 410: no such batch, run, asset or model for this key's organization."""

    remedy = "It was removed there, or the API key belongs to another organization"


class Gone(Permanent):
    """404 or 410 of an object storage: nothing is at the link that was given. Whoever gave it may have another."""

    scope = Scope.ITEM


class Conflict(Permanent):
    """409: the idempotency key is already in use with another body; never answered with a new key."""


class Rejected(Permanent):
    """400 or 422: the body did not pass validation. `problems` may be empty when nothing was named."""

    def __init__(
        self,
        place: Place,
        *,
        status: int | None = None,
        code: str = "",
        message: str = "",
        scope: Scope | None = None,
        problems: tuple[Rejection, ...] = (),
    ) -> None:
        self.problems = problems
        details = "; ".join(str(problem) for problem in problems[:5])
        text = message if details in message else f"{message}: {details}" if message else details
        super().__init__(place, status=status, code=code, message=text, scope=scope)

    def item_indexes(self) -> frozenset[int]:
        """Positions in the batch, from 0, that the server points at; empty when it points at none."""
        return frozenset(position for problem in self.problems for position in problem.item_indexes())

    def blames_the_shape(self) -> bool:
        """Whether the top level of the body is at fault, as when `items` was sent and `input` expected."""
        return any(problem.blames_the_shape() for problem in self.problems)


class Unauthorized(ApiError):
    """401 or 403: the key is missing, revoked, or lacks a scope. Nothing works until a person acts."""

    remedy = "Check the API key, its scopes and its organization"


class OutOfCredit(ApiError):
    """402: the balance does not cover the request; nothing was created or charged."""

    remedy = "Top up the balance; work resumes by itself"


class Expired(ApiError):
    """A presigned link was refused: read the item (or start the upload) again for a fresh one."""

    scope = Scope.ITEM


class Unsafe(ApiError):
    """Something the server sent was refused on this side, before it could do harm."""

    scope = Scope.ITEM
