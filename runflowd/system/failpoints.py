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
    "backup.drafted",  # a copy for a person is whole, not yet under its name
    "move.filled",  # all rows stand at the new place, nothing is committed
    "move.copied",  # that is committed, and the new place waits for the old one to let go
    "move.left",  # the old place has let go, the new one has not noted it
    "command.recorded",  # what a person asked for is written, nobody was answered
    "incident.recorded",  # trouble wider than one item is written, nothing waits for its end yet
    "rule.worded",  # the text of a rule is kept, what waits is still under the old one
    "rule.opened",  # whether old files of a rule are taken is settled, none was looked at
    "item.hashed",  # content known, row not yet written
    "item.recorded",  # row written, not in a batch
    "batch.sealed",  # batch row written, nothing uploaded
    "asset.uploaded",  # bytes are with the service, not confirmed
    "asset.confirmed",  # confirmed, not recorded here
    "asset.recorded",  # recorded here, nothing bought
    "item.dropped",  # out of its batch: its file changed, is gone or was refused
    "purchase.intended",  # key and bytes stored, POST not sent
    "purchase.answered",  # service said yes, answer not recorded
    "purchase.recorded",  # remote id stored
    "purchase.outdated",  # never received and too old to be sent: closed, not prepared anew yet
    "upload.resent",  # what could not be read at the service is sealed again, to be sent with a fresh link
    "purchase.refused",  # a clear no is stored, nothing was done about it
    "purchase.adopted",  # what the service has of an unanswered purchase is taken over
    "body.learnt",  # a field is left out of purchases from now on, the batch is as it was
    "batch.put_back",  # the batch of an edited rule is closed, its items are not yet worded anew
    "batch.split",  # refused whole, sealed anew in halves
    "results.read",  # items read, not recorded
    "results.recorded",  # outputs known, nothing downloaded
    "batch.ended",  # every item of it has its result or failure recorded
    "output.written",  # temporary file complete and on disk
    "output.reserved",  # final name and hash recorded, not renamed
    "output.renamed",  # final name exists, row still says delivering
    "receipt.reserved",  # its name and hash are recorded, it is not renamed
    "receipt.written",  # it stands, its row does not say so
    "output.recorded",  # row says done
    "output.shared",  # the result of a renamed source stands twice, and both are on record
    "output.cleared",  # the old one is gone, and still on record
    "verdict.moved",  # a judged result has its new name, its row the old one
    "verdict.recorded",  # that is on record, what follows it is still to be done
    "output.removed",  # `on_delete: remove` carried out, the result is still on record
    "note.written",  # the note about a failure stands, its row does not say so
    "note.removed",  # the note is gone, its row says delivering
    "result.doubted",  # what came is no result, and its rule is held: it is to be fetched again
    "result.lost",  # paid and not to be had: the row says unknown, nobody was notified
    "source.copied",  # archived on another file system, and still in its place
    "source.aside",  # about to be removed, hidden from whoever writes a newer version
    "source.disposed",  # `after: move` or `delete` carried out
)
"""Every name `reach` may be called with, roughly in the order a file passes them."""

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
