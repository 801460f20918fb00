"""`python -m tests.soak.fleet --rounds 4`: hosts on one share and one PostgreSQL, under kills, stops and cuts.

Each round drops files all the while, lets one trouble after the other loose, and ends with calm and an audit: one
purchase a content, every result once, nothing open. How long the work stood still after each trouble is printed.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "support")]

import own_home  # noqa: E402  found by the lines above
from daemon_process import Service, until  # noqa: E402
from daemons import Fleet  # noqa: E402
from dropping_proxy import Proxy  # noqa: E402
from postgres_server import Server  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

FROZEN = 30.0
"""Seconds for which a host is stopped or cut off: twice as long as it counts as alive."""

FAILOVER = 20.0
"""Seconds within which something must be finished after a trouble, though files come in all the while."""


class Trouble:
    """What is done to the hosts, each by a name."""

    def __init__(self, fleet: Fleet, server: Server, proxy: Proxy, random: Random) -> None:
        self._fleet = fleet
        self._server = server
        self._proxy = proxy
        self._random = random
        self.kinds: dict[str, Callable[[], None]] = {
            "kill": self.kill,
            "stop and wake": self.stop_and_wake,
            "cut off": self.cut_off,
            "drop connections": self.drop,
            "kill the database": self.kill_database,
        }

    def _anyone(self) -> str:
        return self._random.choice(sorted(self._fleet.daemons))

    def kill(self) -> None:
        """SIGKILL, and another start of the same host."""
        name = self._anyone()
        self._fleet.daemons[name].kill()
        self._keep_going(FAILOVER)
        self._fleet.start(name)

    def stop_and_wake(self) -> None:
        """SIGSTOP, for longer than it counts as alive, and SIGCONT."""
        process = self._fleet.daemons[self._anyone()].process
        process.send_signal(signal.SIGSTOP)
        self._keep_going(FROZEN)
        process.send_signal(signal.SIGCONT)

    def cut_off(self) -> None:
        """The first host's way to the database swallows everything."""
        self._proxy.swallow()
        self._keep_going(FROZEN)
        self._proxy.mend()

    def drop(self) -> None:
        """The connections of the first host end."""
        self._proxy.drop()
        self._keep_going(3.0)

    def kill_database(self) -> None:
        """`pg_ctl stop -m immediate`, and start."""
        self._server.stop()
        self._server.start()
        self._keep_going(5.0)

    def _keep_going(self, seconds: float) -> None:
        """Drop files meanwhile; the others must finish some of them in time."""
        before, began, first = self._done(), time.monotonic(), None
        while time.monotonic() - began < seconds:
            self._fleet.write(f"{secrets.token_hex(6)}.jpg")
            time.sleep(0.3)
            if first is None and self._done() > before:
                first = time.monotonic() - began
        _say(f"    went on after {first:.1f} s" if first is not None else f"    stood still for {seconds:g} s")
        assert seconds < FAILOVER or first is not None, "nobody went on in time"

    def _done(self) -> int:
        return int(self._fleet.rows("SELECT count(*) AS count FROM item WHERE state = 'done'")[0]["count"])


def main() -> int:
    """Run the rounds; 0 when all of them ended with the books as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fleet", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="each with every trouble once, in another order")
    parser.add_argument("--hosts", type=int, default=4, help="how many daemons")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the order")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="runflowd-fleet-"))
    _say(f"seed {options.seed}, folder {folder}")
    own_home.move_into(folder)
    server = Server()
    try:
        server.execute("CREATE DATABASE fleet TEMPLATE template0")
        with (
            Service(folder / "service", "--balance", "100000") as service,
            Proxy(server.folder / ".s.PGSQL.5432") as proxy,
        ):
            service.calm()
            fleet = Fleet(folder / "share", service, server.database("fleet"))
            try:
                _run(fleet, Trouble(fleet, server, proxy, Random(options.seed)), proxy, options)
            finally:
                fleet.end()
    finally:
        server.remove()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _run(fleet: Fleet, trouble: Trouble, proxy: Proxy, options: argparse.Namespace) -> None:
    fleet.addresses["host0"] = f"postgresql://runflowd@127.0.0.1:{proxy.port}/fleet"
    for number in range(options.hosts):
        fleet.start(f"host{number}")
    until(lambda: fleet.holder() is not None, "somebody does the intake")
    for number in range(1, options.rounds + 1):
        kinds = sorted(trouble.kinds)
        Random(options.seed + number).shuffle(kinds)
        for kind in kinds:
            _say(f"  {kind}")
            trouble.kinds[kind]()
        fleet.wait_for_results(180.0)
        found = fleet.audit()
        assert not found, f"round {number} of seed {options.seed}: {found}"
        _say(f"round {number}: {len(fleet.written)} files, the books are right")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a program for people


if __name__ == "__main__":
    sys.exit(main())
