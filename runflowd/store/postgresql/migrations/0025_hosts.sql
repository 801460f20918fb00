-- Schema 25. Who works on this store; what the columns mean stands in SQLite's migration of this number.

CREATE TABLE host (
    session text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    since double precision NOT NULL,
    seen_until double precision NOT NULL,
    throttled_until double precision NOT NULL DEFAULT 0,
    facts text COLLATE "C" NOT NULL DEFAULT '{}'
);

CREATE TABLE duty (
    name text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C",
    generation bigint NOT NULL DEFAULT 0,
    text text COLLATE "C" NOT NULL DEFAULT ''
);

ALTER TABLE incident ADD COLUMN probe_at double precision NOT NULL DEFAULT 0;

ALTER TABLE batch DROP COLUMN lease_until;
ALTER TABLE item DROP COLUMN lease_until;
