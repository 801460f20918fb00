"""The state file: every fact that must survive a crash, and the queue between the stages."""

from __future__ import annotations

from runflowd.store.connection import Connection, Damaged, Locked, Newer
from runflowd.store.store import Store, open_reader, open_store, reading

__all__ = ["Connection", "Damaged", "Locked", "Newer", "Store", "open_reader", "open_store", "reading"]
