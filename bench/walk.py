"""`python -m bench.walk CONFIG`: rescan a rule's folder whose files are all known, as intake does.

Prints one JSON line: files, seconds of each rescan. Everything before the first rescan is preparation.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from runflowd import files
from runflowd.api.client import Runflow
from runflowd.api.settings import Service
from runflowd.app.engine import by_name
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.observability.incidents import Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.pipeline.intake.reconcile import FolderScanner
from runflowd.pipeline.intake.roots import recognise
from runflowd.pipeline.intake.watched_rule import WatchedRule
from runflowd.pipeline.io_guard import FolderIo
from runflowd.store import open_store
from runflowd.store.arrivals import set_aside
from runflowd.system.clock import Clock
from runflowd.system.paths import state_path

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.store import Connection, Store

ROUNDS = 3


async def main(source: Path) -> None:
    """Make every file of the first rule known, then rescan several times."""
    config = load(source)
    rule = config.rules[0]
    async with open_store(state_path(config)) as store:
        known, folders = await _learn(store, rule)
        clock = Clock()
        remote = ServiceClient("bench", Runflow(Service("http://127.0.0.1:1")))
        context = Context(store, clock, Incidents(store, clock), remote, by_name(config))
        watched, scanner = WatchedRule.of(rule, FolderIo()), FolderScanner(context)
        taken: list[float] = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            watched.roots = await recognise(context, watched)
            scanned = await scanner.scan(watched, "", deep=True)
            await scanner.forget_vanished(watched, scanned.read)
            taken.append(time.perf_counter() - began)
            assert len(scanned.read) == folders, "every folder was read"
        assert not len(watched.stability), "every file is known"
    sys.stdout.write(json.dumps({"files": known, "seconds": taken}) + "\n")


async def _learn(store: Store, rule: Rule) -> tuple[int, int]:
    """Record all that lies there as skipped: the cheapest row that a rescan compares. Gives files and folders."""
    known = folders = 0
    for listing in files.walk(rule.watch):

        def write(connection: Connection, listing: files.Listing = listing) -> None:
            for name, stat in listing.files.items():
                path = listing.path_of(name)
                set_aside(connection, rule.name, path, stat, ItemState.SKIPPED, "EXISTING", "", 0.0)

        await store.write(write)
        known += len(listing.files)
        folders += 1
    return known, folders


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
