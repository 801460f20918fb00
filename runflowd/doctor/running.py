"""The daemon: does one hold the state file, does it answer, and did it take the last edit."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any

from runflowd import __version__
from runflowd.control.client import ask
from runflowd.control.refusal import CommandRefused
from runflowd.core.units import duration_text
from runflowd.doctor.findings import Finding, good, note, warning
from runflowd.store.state_file import holder
from runflowd.system.paths import control_sockets

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.doctor.target import Target

DAEMON = "daemon"


def probe_daemon(case: Target) -> list[Finding]:
    """Ask the daemon for its status over the control socket, and the kernel who holds the state file."""
    pid = holder(case.state)
    try:
        answer = ask(case.source, "status", {"limit": 1})
    except CommandRefused as error:
        return [warning(DAEMON, "control socket", f"refused the question: {error}", "see the daemon's log")]
    sockets = [path for path in control_sockets(case.source) if path.exists()]
    return check_daemon(pid, (answer or {}).get("daemon"), sockets)


def check_daemon(pid: int | None, daemon: dict[str, Any] | None, sockets: list[Path]) -> list[Finding]:
    """Who holds the state file, what the one at the socket says of itself, and the sockets that there are."""
    if daemon is None and pid is None:
        return [note(DAEMON, "daemon", "none runs for this configuration")]
    if daemon is None:
        where = f"at {', '.join(map(str, sockets))}" if sockets else "(there is no control socket)"
        message = (
            f"process {pid} holds the state file and does not answer {where}; commands fall back to the state file"
        )
        remedy = "it may be a `sync` or serve another configuration, or this user may not ask; else see its log"
        return [warning(DAEMON, f"process {pid}", message, remedy)]
    subject = f"process {daemon['pid']}"
    found = [good(DAEMON, subject, f"runs since {duration_text(round(daemon['uptime']))} and answers")]
    if daemon["version"] != __version__:
        message = f"is of version {daemon['version']}, this program of {__version__}"
        found.append(warning(DAEMON, subject, message, "restart the daemon when it suits"))
    if problems := daemon["config"]["problems"]:
        message = f"refused the last edit, and an older configuration is in force: {'; '.join(problems[:5])}"
        found.append(warning(DAEMON, subject, message, "correct the place that is named"))
    return found


def user_of_daemon(case: Target) -> int | None:
    """The id of the user that the daemon runs or will run as, None when nothing says so."""
    pid = holder(case.state)
    try:
        if pid is not None:
            return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116  one call, no object needed
        named = case.unit.last("User") if case.unit else ""
        return pwd.getpwnam(named).pw_uid if named else None
    except (OSError, KeyError):
        return None


def name_of(user: int) -> str:
    """A user's name, or the number of one that has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
