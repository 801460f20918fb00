-- Schema 29. How many older contents of files have ended; see SQLite's migration of this number.

CREATE INDEX item_superseded ON item (rule, state, review) WHERE current = 0;
