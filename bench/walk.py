"""`python -m bench.walk CONFIG`: rescan a rule's folder whose files are all known, as intake does.

Prints one JSON line: CPU seconds of each rescan, on all threads.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import anyio

from runflowd import files
from runflowd.api.client import Runflow
from runflowd.api.settings import Service
from runflowd.app.engine import by_name
from runflowd.config import load
from runflowd.observability.incidents import Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.pipeline.intake.reconcile import FolderScanner
from runflowd.pipeline.intake.roots import recognise
from runflowd.pipeline.intake.watched_rule import WatchedRule
from runflowd.pipeline.io_guard import FolderIo
from runflowd.store import open_store
from runflowd.system.clock import Clock
from runflowd.system.paths import state_place

ROUNDS = 3


async def main(source: Path) -> None:
    """Rescan the folder of the first rule several times."""
    config = load(source)
    rule = config.rules[0]
    async with open_store(state_place(config)) as store:
        folders = sum(1 for _ in files.walk(rule.watch))
        clock = Clock()
        remote = ServiceClient("bench", Runflow(Service("http://127.0.0.1:1")))
        context = Context(store, clock, Incidents(store, clock), remote, by_name(config))
        watched, scanner = WatchedRule.of(rule, FolderIo()), FolderScanner(context)
        taken: list[float] = []
        for _ in range(ROUNDS):
            began = time.process_time()
            watched.roots = await recognise(context, watched)
            scanned = await scanner.scan(watched, "", deep=True)
            await scanner.forget_vanished(watched, scanned.read)
            taken.append(time.process_time() - began)
            assert len(scanned.read) == folders, "every folder was read"
        assert not len(watched.stability), "every file is known"
    sys.stdout.write(json.dumps({"seconds": taken}) + "\n")


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
