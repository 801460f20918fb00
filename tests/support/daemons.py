"""Several daemons on one share and one database, each as a host of its own, and the facts of all of them."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import psycopg
from command_line import WITH_KEY, Desk
from daemon_process import KEY, PASS_THROUGH, Daemon, contents, picture, sha256, until
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from command_line import Said
    from daemon_process import Service

    from runflowd.core.database import Database

BUSY = ("ready", "duplicate", "queued", "submitted", "downloading")


class Fleet:
    """A share with `in` and `out`, a service with books of its own, and daemons by their names."""

    def __init__(self, folder: Path, service: Service, database: Database) -> None:
        self.folder = folder
        self.service = service
        self.database = database
        self.input, self.output = folder / "in", folder / "out"
        self.input.mkdir(parents=True)
        self.daemons: dict[str, Daemon] = {}
        self.addresses: dict[str, str] = {}
        """Of hosts that reach the database by a way of their own."""
        self.written: dict[str, bytes] = {}

    def configure(self, name: str, **rule: Any) -> Path:
        """The configuration of a host: the same one rule, unless `rule` changes it."""
        usual = {"watch": "in", "output": "out", "model": PASS_THROUGH, "input": {"image_url": "${file.url}"}}
        quick = {"settle": "100ms", "rescan": "2s", "batch": {"quiet": "150ms", "max_wait": "1s", "max_items": 2}}
        whole = {
            "service": {"url": self.service.url},
            "state": self.addresses.get(name, self.database.address),
            "web": {"listen": f"unix:{self.folder}/{name}.sock"},
            "log": {"level": "debug", "format": "json"},
            "defaults": quick,
            "rules": {"one": {**usual, **rule}},
        }
        config = self.folder / f"{name}.yaml"
        config.write_text(json.dumps(whole, indent=1))
        return config

    def start(self, name: str, failpoint: str = "", **rule: Any) -> Daemon:
        """Start a host; return when it is ready."""
        environment = {**os.environ, "RUNFLOW_API_KEY": KEY, "RUNFLOWD_FAILPOINT": failpoint}
        config = self.configure(name, **rule)
        daemon = Daemon(config, self.folder / f"{name}.log", environment, options=("--host", name))
        self.daemons[name] = daemon
        daemon.hear("READY=1")
        return daemon

    def ask(self, name: str, *arguments: str) -> Said:
        """The answer to a command, with the configuration of a host."""
        return Desk(self.folder).call(*arguments, "-c", str(self.folder / f"{name}.yaml"), env=WITH_KEY)

    def end(self) -> None:
        """Kill whatever still runs."""
        for daemon in self.daemons.values():
            if daemon.process.poll() is None:
                daemon.process.send_signal(signal.SIGCONT)
                daemon.kill()

    def write(self, *names: str) -> None:
        """Put files into the watched folder as people do, each of its own content."""
        for name in names:
            self.written[name] = picture()
            (self.input / name).write_bytes(self.written[name])

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the database."""
        with psycopg.connect(self.database.address, autocommit=True, row_factory=dict_row) as raw:
            found: list[dict[str, Any]] = raw.execute(sql.encode(), values).fetchall()
        return found

    def states(self) -> dict[str, str]:
        """The state of every path."""
        rows = self.rows("SELECT basename, state FROM item WHERE current = 1")
        return {os.fsdecode(row["basename"]): row["state"] for row in rows}

    def holder(self, duty: str = "intake:one") -> str | None:
        """Which host does a duty now."""
        rows = self.rows("SELECT host.name FROM duty JOIN host ON host.session = duty.owner WHERE duty.name = %s", duty)
        return rows[0]["name"] if rows else None

    def incidents(self, code: str) -> list[str]:
        """What is said of the open incidents with a code."""
        return [row["message"] for row in self.rows("SELECT message FROM incident WHERE code = %s", code)]

    def is_busy_both_ways(self) -> bool:
        """Whether a result is being fetched, and a purchase is written down and not answered."""
        fetched = self.rows("SELECT 1 FROM item WHERE state = 'downloading' AND owner IS NOT NULL")
        return bool(fetched and self.rows("SELECT 1 FROM purchase WHERE outcome = 'intended'"))

    def living(self) -> list[str]:
        """The hosts that the database has seen lately."""
        rows = self.rows("SELECT name FROM host WHERE seen_until > extract(epoch FROM clock_timestamp())")
        return sorted(row["name"] for row in rows)

    def wait_for_holder(self, *names: str) -> str:
        """Wait until one of these hosts does the intake."""
        return until(lambda: (held := self.holder()) in names and held, f"intake by {names}", explain=self.logs) or ""

    def wait_for_results(self, seconds: float = 60.0) -> None:
        """Wait until every file that was written has its result, and nothing moves any more."""
        until(
            self._rests,
            f"results of {sorted(self.written)}",
            seconds,
            explain=lambda: f"{self.states()}\n{self.logs()}",
        )

    def _rests(self) -> bool:
        states = self.states()
        is_open = self.rows("SELECT 1 FROM batch WHERE state IN ('sealed', 'submitted')")
        return not is_open and states.keys() == self.written.keys() and not set(states.values()) & set(BUSY)

    def logs(self) -> str:
        """The end of what each has written."""
        return "\n".join(f"--- {name}\n{daemon.log(3000)}" for name, daemon in self.daemons.items())

    def audit(self) -> Mapping[str, object]:
        """What is wrong at the end: nothing, where every content was bought once and every result stands once."""
        ours = {sha256(data): name for name, data in self.written.items()}
        books = self.service.ledger()["charges"]
        charged = {each["content"]: each["times"] for each in books if each["content"] in ours}
        standing = {name.partition(".")[0] for name in contents(self.output) if not name.startswith(".")}
        twice = "SELECT reference, item FROM ledger WHERE kind = 'charge' GROUP BY reference, item HAVING count(*) > 1"
        return {
            found: value
            for found, value in {
                "bought more than once": {ours[each]: times for each, times in charged.items() if times != 1},
                "never bought": sorted(name for each, name in ours.items() if each not in charged),
                "results": sorted({name.partition(".")[0] for name in self.written} ^ standing),
                "counted twice": self.rows(twice),
                "open": self.rows("SELECT key FROM purchase WHERE outcome = 'intended'"),
                "in doubt": [name for name, state in self.states().items() if state != "done"],
            }.items()
            if value
        }
