"""Named places where a test may kill the daemon, one beside every durable step.

`RUNFLOWD_FAILPOINT=purchase.answered` makes the process end with SIGKILL the first time it gets
there; `purchase.answered:3` the third time. Without the variable a reach costs one comparison.
SQLite tests itself the same way: stop between any two steps, then look at what is left.
"""

from __future__ import annotations

import os
import signal

FAILPOINTS = (
    "state.copied",  # the old state file was copied, its schema is still the old one
    "state.migrated",  # one step of the schema is done
    "item.hashed",  # content known, row not yet written
    "item.recorded",  # row written, not in a batch
    "batch.sealed",  # batch row written, nothing uploaded
    "asset.uploaded",  # bytes are with the service, not confirmed
    "asset.confirmed",  # confirmed, not recorded here
    "asset.recorded",  # recorded here, nothing bought
    "purchase.intended",  # key and bytes stored, POST not sent
    "purchase.answered",  # service said yes, answer not recorded
    "purchase.recorded",  # remote id stored
    "results.read",  # items read, not recorded
    "results.recorded",  # outputs known, nothing downloaded
    "output.written",  # temporary file complete and on disk
    "output.reserved",  # final name and hash recorded, not renamed
    "output.renamed",  # final name exists, row still says delivering
    "output.recorded",  # row says done
    "source.disposed",  # `after: move` or `delete` carried out
)
"""Every name `reach` may be called with, in the order a file passes them."""

_armed, _, _count = os.environ.get("RUNFLOWD_FAILPOINT", "").partition(":")
_left = int(_count) if _count.isdigit() else 1


def reach(name: str) -> None:
    """Die here by SIGKILL if the environment asks for it; otherwise do nothing."""
    global _left  # noqa: PLW0603  the countdown belongs to the process, as the kill does
    if name != _armed:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
