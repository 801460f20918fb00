-- Schema 31. A host that died is on record until it is back; see SQLite's migration of this number.

ALTER TABLE host ADD COLUMN held text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE host ADD COLUMN process text COLLATE "C" NOT NULL DEFAULT '';
