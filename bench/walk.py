"""`python -m bench.walk CONFIG`: rescan a rule's folder whose files are all known, as intake does.

Prints one JSON line: files, and CPU seconds of each rescan on all threads. Everything before the first rescan is
preparation.
"""

from __future__ import annotations

import json
import os
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

_AS_DONE = """
UPDATE item SET state = 'done', failure_code = '', mime = 'image/jpeg', approved = 1, pixels = 64,
    content_hash = printf('%064x', id), recipe_hash = printf('%064x', 7), run_id = printf('run-%d', id),
    input = '{"image_url": "${file.url}"}', cost = '0.018', estimate_low = '0.018', estimate_high = '0.018',
    period = '2026-11-29', ready_at = id, ended_at = id, bought_at = id, lease_until = id
WHERE rule = 'bench' AND dir = :dir
"""


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
            began = time.process_time()
            watched.roots = await recognise(context, watched)
            scanned = await scanner.scan(watched, "", deep=True)
            await scanner.forget_vanished(watched, scanned.read)
            taken.append(time.process_time() - began)
            assert len(scanned.read) == folders, "every folder was read"
        assert not len(watched.stability), "every file is known"
    sys.stdout.write(json.dumps({"files": known, "seconds": taken}) + "\n")


async def _learn(store: Store, rule: Rule) -> tuple[int, int]:
    """Record all that lies there as done, in rows as wide as the program leaves them. Gives files and folders."""
    known = folders = 0
    for listing in files.walk(rule.watch):

        def write(connection: Connection, listing: files.Listing = listing) -> None:
            for name, stat in listing.files.items():
                path = listing.path_of(name)
                set_aside(connection, rule.name, path, stat, ItemState.SKIPPED, "EXISTING", "", 0.0)
            connection.raw.execute(_AS_DONE, {"dir": os.fsencode(listing.relative)})

        await store.write(write)
        known += len(listing.files)
        folders += 1
    return known, folders


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
