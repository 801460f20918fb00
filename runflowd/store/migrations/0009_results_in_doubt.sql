-- Schema 9. A pause that the next result of its recipe ends.

ALTER TABLE pause ADD COLUMN passing INTEGER NOT NULL DEFAULT 0;   -- 1: held while a result is in doubt, by nobody's order
