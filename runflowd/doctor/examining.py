"""The whole examination: which looks there are, in the order in which they are reported."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from runflowd.core.database import Database
from runflowd.doctor.access import PERMISSIONS, check_person
from runflowd.doctor.database import probe_database
from runflowd.doctor.decoders import DECODERS, probe_decoders
from runflowd.doctor.findings import Level
from runflowd.doctor.folders import probe_watched, probe_written
from runflowd.doctor.inotify import INOTIFY, probe_watching
from runflowd.doctor.keys import KEY, probe_configuration, probe_key
from runflowd.doctor.probing import Probe, findings_of
from runflowd.doctor.receiving import CALLBACKS, probe_receiver, probe_way
from runflowd.doctor.running import DAEMON, name_of, probe_daemon, user_of_daemon
from runflowd.doctor.service import probe_service
from runflowd.doctor.state import STATE, probe_state, probe_state_folder
from runflowd.doctor.unit import probe_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runflowd.doctor.findings import Finding
    from runflowd.doctor.target import Target

_SHARE = "if it is on a network share: is its server up? `findmnt` tells, and so do the last lines of `dmesg`"
_BUSY = "try again when the disk has less to do"


def examine(case: Target, more: Iterable[Probe] = ()) -> list[Finding]:
    """Everything that the daemon of a configuration rests on; `more` is looked at, too. Raises nothing."""
    return list(findings_of([*_looks(case), *more]))


def _looks(case: Target) -> Iterator[Probe]:
    user = name_of(os.geteuid())
    yield Probe("configuration", str(case.source), partial(probe_configuration, case), _BUSY)
    yield Probe(KEY, "service", partial(probe_key, case), _SHARE)
    if not case.offline:
        silent = "look at the network, the proxy and the names of hosts; files wait meanwhile"
        yield Probe("service", case.config.service.url or "local", partial(probe_service, case), silent, 60.0)
    yield Probe(CALLBACKS, "service.callbacks", partial(probe_receiver, case), _SHARE)
    if not case.offline:
        way = partial(probe_way, case)
        yield Probe(CALLBACKS, "service.callbacks", way, "polling works without", 25.0, Level.WARNING)
    yield Probe(PERMISSIONS, "user", partial(_person, case), _SHARE)
    yield from _folders(case, user)
    yield Probe(INOTIFY, "watched folders", partial(probe_watching, case.config.rules), _BUSY, 30.0, Level.WARNING)
    yield from _state(case, user)
    yield Probe(DAEMON, "control socket", partial(probe_daemon, case), "see the daemon's log", 15.0, Level.WARNING)
    yield Probe(DECODERS, "this machine", partial(probe_decoders, case.config.rules), _BUSY)
    yield Probe("systemd", "unit", partial(probe_unit, case), _BUSY)


def _state(case: Target, user: str) -> Iterator[Probe]:
    place = case.state
    if isinstance(place, Database):
        yield Probe(STATE, str(place), partial(probe_database, place), "look at the server and the way to it", 30.0)
        return
    floor = case.config.limits.free_space
    yield Probe(STATE, str(place.parent), partial(probe_state_folder, place, floor, user), _SHARE)
    yield Probe(STATE, str(place), partial(probe_state, place), _BUSY, 60.0, Level.WARNING)


def _folders(case: Target, user: str) -> Iterator[Probe]:
    floor = case.config.limits.free_space
    for rule in case.config.rules:
        watched = partial(probe_watched, rule, user)
        yield Probe(PERMISSIONS, f"{rule.name}: watch", watched, f"{rule.watch}: {_SHARE}")
        for name, path in rule.written_to.items():
            subject = f"{rule.name}: {name}"
            yield Probe(PERMISSIONS, subject, partial(probe_written, subject, path, floor, user), f"{path}: {_SHARE}")


def _person(case: Target) -> list[Finding]:
    daemon = user_of_daemon(case)
    return check_person(os.geteuid(), daemon, "" if daemon is None else name_of(daemon))
