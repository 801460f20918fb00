"""Results that come back as inputs: a content that a rule made itself is never bought as something new."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from runflowd.store.items import item_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.store.arrivals import Arrival
    from runflowd.store.connection import Connection

OWN_RESULT = "OWN_RESULT"
"""The failure code of a skipped file whose content is a result."""


def own_result(connection: Connection, arrival: Arrival, makers: Iterable[str]) -> str:
    """Why a stable file is not taken: its content is a result of one of `makers`; "" when it is none.

    A person who retried it knows.
    """
    values = {"rule": arrival.rule, "content_hash": arrival.content_hash, "makers": json.dumps(sorted(makers))}
    found = connection.one("own_result", **values)
    if found is None:
        return ""
    standing = item_at(connection, arrival.rule, arrival.path)
    if standing is not None and standing.failure_code == OWN_RESULT and standing.rescan_requested:
        return ""
    return (
        f"its content is a result of rule {found['rule']}, {os.fsdecode(found['path'])}; to have it taken as an input "
        "all the same: `runflowd retry PATH`"
    )
