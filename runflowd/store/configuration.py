"""Which configuration a state file is of. Rules are known by their names, so two must not share one.

The second would find the first one's rows under its own rules' names, and call done what was never brought to
its folders. A configuration is known by its path, since editors give it a new inode with every edit; a link, or
another mount, leads to the same one. Where the path that is on record leads nowhere any more, it has moved.

Of a database that several hosts share, each host has a configuration on record: a path is one machine's.
"""

from __future__ import annotations

import os
import socket
from binascii import crc32
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.core.printable import printable
from runflowd.errors import StoreError
from runflowd.store.connection import stored_value

if TYPE_CHECKING:
    from runflowd.store.connection import Connection
    from runflowd.system.paths import Place


def _key(state: Place, host: str) -> str:
    return "configuration" if isinstance(state, Path) else f"configuration:{host or socket.gethostname()}"


class OtherConfiguration(StoreError):
    """This state file is of another configuration, which is still there."""

    def __init__(self, state: Place, theirs: str, ours: str) -> None:
        name = f"{Path(ours).stem or 'state'}-{crc32(os.fsencode(ours)):08x}"
        kind, own = "database", f"the address of a database of its own: `createdb {name}`"
        if isinstance(state, Path):
            kind, own = (
                "state file",
                f"a state file of its own: `state: {printable(str(state.absolute().with_name(f'{name}.db')))}`",
            )
        super().__init__(
            f"{state}: is the {kind} of another configuration, {printable(theirs)}; {printable(ours)} would take "
            f"that one's files for its own. Put at the top of this one {own}. If this one takes the other one's place, "
            f"rename or remove {printable(theirs)}."
        )


def configuration_of(connection: Connection, state: Place, host: str = "") -> str:
    """The absolute path of the configuration that the state is of, on a host (default: this machine); "" if none."""
    return stored_value(connection, "", _key(state, host)) or ""


def take_state(connection: Connection, state: Place, source: str, host: str = "") -> None:
    """Record that the state is of the configuration at this absolute path from now on."""
    connection.run("save_value", service="", key=_key(state, host), value=source)


def ensure_own(connection: Connection, state: Place, source: str, host: str = "") -> None:
    """Raise OtherConfiguration unless the state is of the configuration at `source`, or of none. Blocking."""
    known = configuration_of(connection, state, host)
    if is_another(known, source):
        raise OtherConfiguration(state, known, source)


def is_another(known: str, source: str) -> bool:
    """Whether a path on record leads to a configuration that is not the one at `source`. Blocking."""
    if not known or not source or known == source or not os.path.exists(known):  # noqa: PTH110  text: bytes survive
        return False
    with suppress(OSError):
        return not os.path.samefile(known, source)  # noqa: PTH121
    return True
