"""What the failure of a delivery means: whether another try can help, and what is to be said of a paid result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api.errors import NotFound, Unsafe
from runflowd.deliver.fetch import NoResult
from runflowd.deliver.place import WrongKind
from runflowd.incidents import Trouble
from runflowd.store.pauses import results_scope

if TYPE_CHECKING:
    from runflowd.store.items import Item


def is_final(error: Exception) -> bool:
    """Whether what could not be delivered can never be, as it is now: no try is made after this one."""
    return isinstance(error, NoResult | NotFound | Unsafe | WrongKind)


def code_of(error: Exception) -> str:
    """The code of an item whose result cannot be delivered."""
    if isinstance(error, NoResult):
        return "NO_RESULT"
    if isinstance(error, WrongKind):
        return "RESULT_REFUSED"
    return "RESULT_TOO_LARGE" if isinstance(error, Unsafe) and error.code == "TOO_LARGE" else "RESULT_LOST"


def undeliverable(item: Item, code: str, reason: str) -> Trouble:
    """The incident of a rule that brings what cannot be delivered: where that can still be had, and how it goes on."""
    run = f"run {item.run_id}" if item.run_id else f"the run with the reference {item.client_ref}"
    message = (
        f"rule {item.rule}: a result that is paid for cannot be delivered, so nothing more is bought for the rule. "
        f"{reason}. It can still be had at the service: {run}"
    )
    if code == "RESULT_TOO_LARGE":
        remedy = (
            "Raise `limits.download_size` and restart, then `runflowd retry` fetches it at no cost and "
            f"`runflowd resume {item.rule}` lets the rule go on"
        )
    else:
        remedy = (
            "Take it from there. Edit the rule's `model`, `input` or `select` so that it brings images, and it goes "
            f"on; or `runflowd resume {item.rule}` to go on as it is"
        )
    return Trouble(results_scope(item.rule), "RESULT_UNDELIVERABLE", message, remedy)
