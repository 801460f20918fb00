"""The state file: every fact that must survive a crash, and the queue between the stages."""

from __future__ import annotations

from runflowd.store.connection import Connection
from runflowd.store.opening import open_reader, open_store, reading
from runflowd.store.sqlite import Damaged, Locked, Newer
from runflowd.store.store import Store

__all__ = ["Connection", "Damaged", "Locked", "Newer", "Store", "open_reader", "open_store", "reading"]
