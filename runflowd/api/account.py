"""The credit of an account, from whichever of its two routes a key may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api import calls, catalog
from runflowd.api.errors import Permanent, Unauthorized

if TYPE_CHECKING:
    from runflowd.api.session import Session
    from runflowd.api.values import Credit


async def read_credit(session: Session) -> Credit | None:
    """Return the credit; None when the key may not read it or it makes no sense.

    Raises `Transient`, and `Unauthorized` for a key that is not accepted at all (401).
    """
    for call, *path in ((calls.BALANCE, "billing", "balance"), (calls.CREDIT, "credit-balances")):
        try:
            found = await session.call(call, catalog.credit, *path)
        except (Permanent, Unauthorized) as refused:
            if refused.status == 401:
                raise
            continue
        if found is not None:
            return found
    return None
