"""What happens to the daemon and to its service: kills, faults, commands, and at last calm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from daemon_process import picture

from runflowd.system.failpoints import FAILPOINTS

if TYPE_CHECKING:
    from random import Random

    from daemon_process import Installation
    from silent_share import SilentShare

    from tests.soak.people import People

EXPECTED = {0, 75, 78, -signal.SIGKILL}
"""How the daemon may end: stopped, before one that was killed has let go of the state file, over a YAML that is broken
while it starts, or killed."""


COMMANDS = (
    ("pause", "--all"),
    ("resume", "--all"),
    ("retry", "--all"),
    ("rerun", "left", "--yes"),
    ("rerun", "right", "--missing"),
    ("reload",),
)
"""What operators ask for. Each may be refused, or find a YAML that is broken at the moment."""

UNDERSTOOD = {0, 1, 2, 75, 78, -signal.SIGKILL}
"""How a command may end: done, refused, not now, over a broken YAML, or killed."""


class Monkey:
    """Kills at random; `complaints` lists ends of the daemon that nobody had asked for."""

    def __init__(self, installation: Installation, people: People, random: Random) -> None:
        self._installation = installation
        self._people = people
        self.share: SilentShare | None = None
        """The share that a watched folder is, if one is."""
        self._random = random
        self._counts: Counter[str] = Counter()
        self._api_variants: dict[str, str] = {}
        self.complaints: list[str] = []

    def tally(self) -> str:
        """What was done so far."""
        return ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items()))

    def count(self, **seen: bool) -> None:
        """Count what was seen, by its name."""
        self._counts.update(seen)

    def begin(self) -> None:
        """A round begins: some of the service's habits change."""
        self._api_variants = {
            "batch_models": self._random.choice(["declared", "declared", "none"]),
            "idempotency": self._random.choice(["honoured", "ignored"]),
            "items": self._random.choice(["ordered", "shuffled", "doubled"]),
            "asset_links": self._random.choice(["honest", "early"]),
            "input_read": self._random.choice(["creation", "run"]),
        }
        self._installation.service.control(api_variants=self._api_variants)
        self._disturb()
        self._start()

    def act(self) -> None:
        """Perhaps do something bad; always have the daemon run again."""
        deeds = [
            (self._rest, 30),
            (self._kill, 3),
            (self._stop, 1),
            (self._kill_service, 1),
            (self._disturb, 3),
            (self._command, 2),
            (self._cover, 1),
            (self._silence, 1),
        ]
        (deed,) = self._random.choices([deed for deed, _ in deeds], [weight for _, weight in deeds])
        deed()
        self._start()

    def pause(self) -> float:
        """Seconds until the next action."""
        return self._random.choice([0.0, 0.02, 0.05, 0.1, 0.3, 0.6])

    def calm(self) -> None:
        """No more trouble; a daemon that is to die is replaced by one that is not."""
        self._installation.service.control(api_variants={}, faults={})
        daemon = self._installation.daemon
        if daemon is not None and daemon.process.poll() is None:
            daemon.kill()
        self._installation.start()
        self._run("resume", "--all")
        self._run("retry", "--all")

    def _rest(self) -> None:
        pass

    def _start(self) -> None:
        daemon = self._installation.daemon
        if daemon is not None and (code := daemon.process.poll()) is None:
            return
        if daemon is not None and code not in EXPECTED:
            self.complaints.append(f"the daemon ended by {code}:\n{daemon.log()}")
        point = self._random.choice(["", "", f"{self._random.choice(FAILPOINTS)}:{self._random.randrange(1, 6)}"])
        self._counts["starts"] += 1
        self._installation.start(point, ready=False)

    def _kill(self) -> None:
        if self._installation.daemon is not None:
            self._counts["kills"] += 1
            self._installation.daemon.process.kill()
            self._installation.daemon.death()

    def _stop(self) -> None:
        """A stop that comes before the daemon can handle it ends it all the same."""
        daemon = self._installation.daemon
        if daemon is not None and daemon.is_ready():
            self._counts["stops"] += 1
            daemon.stop()

    def _command(self) -> None:
        """With a daemon or without; sometimes it is killed before it can answer."""
        self._counts["commands"] += 1
        point = self._random.choice(["", "", "command.recorded"])
        self._run(*self._random.choice(COMMANDS), failpoint=point)

    def _run(self, *command: str, failpoint: str = "") -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "runflowd", *command, "-c", str(self._installation.config)],
            env={**os.environ, "RUNFLOW_API_KEY": "rf_live_test", "RUNFLOWD_FAILPOINT": failpoint},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if ended.returncode not in UNDERSTOOD:
            self.complaints.append(f"{command} ended by {ended.returncode}:\n{ended.stderr.decode()}")

    def _kill_service(self) -> None:
        self._counts["service kills"] += 1
        self._installation.service.kill()
        self._installation.service.start()
        self._installation.service.control(api_variants=self._api_variants)

    def _disturb(self) -> None:
        rate = self._random.choice([0.0, 0.05, 0.2])
        lost = [{"route": "POST /v1/models/*", "kind": "lose"}] * self._random.choice([0, 1, 2])
        stuck = [{"kind": "stuck"}] * self._random.choice([0, 0, 1, 3])
        allowed = self._random.choice([None, None, {"rate": 10, "burst": 10}, {"rate": 40, "burst": 20}])
        seed = self._random.randrange(10**6)
        self._counts.update(rate_limits=allowed is not None, stuck_runs=len(stuck))
        self._installation.service.control(
            faults={"requests": lost, "runs": stuck, "seed": seed, "rate": rate, "allowed": allowed}
        )

    def _cover(self) -> None:
        """Something is mounted over a watched folder for a while, as by mistake, or before the real share is."""
        watched = self._people.watched("left")
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", watched], check=False).returncode:
            return
        self._counts["mounts"] += 1
        if self._random.random() < 0.5:
            (watched / "stray.jpg").write_bytes(picture())
        time.sleep(self._random.choice([0.2, 1.0, 6.0]))
        subprocess.run(["umount", "--lazy", watched], check=True)

    def _silence(self) -> None:
        """The server of a share says nothing for a while."""
        if self.share is not None:
            self._counts["silences"] += 1
            with self.share.silence():
                time.sleep(self._random.choice([0.2, 1.0, 6.0]))
