-- Schema 31. A host that died is on record until it is back; its next start on that machine need not wait for its lease.

ALTER TABLE host ADD COLUMN held TEXT NOT NULL DEFAULT '';      -- what it had when it died, see core/holdings.py; '' while it lives
ALTER TABLE host ADD COLUMN process TEXT NOT NULL DEFAULT '';   -- see system/processes.py
