"""The watcher: file events become hints "look in this folder", and its own ills become facts.

Threads of watchdog (7.1 or later, one shared inotify instance) call a handler, which drops noise
and puts folders into a bounded queue; the first hint wakes the event loop. Nothing here is relied
upon: the rescan finds what the watcher misses. But most ills of a watcher are silent (a dead thread,
a root made anew, the watch limit), so `audit` compares it with the facts each turn and rebuilds it.

Roots on network file systems do not belong here: `runflowd.system.mounts.needs_rescan` tells them.
"""

from runflowd.watch.hint_queue import HintQueue, ScanHint
from runflowd.watch.problems import ProblemKind, WatchProblem
from runflowd.watch.watcher import Watcher

__all__ = ["HintQueue", "ProblemKind", "ScanHint", "WatchProblem", "Watcher"]
