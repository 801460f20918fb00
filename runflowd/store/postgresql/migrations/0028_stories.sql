-- Schema 28. The steps of a file up to its first result, packed; see SQLite's migration of this number.

CREATE TABLE packed_story (
    item bigint PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    steps bytea NOT NULL
);
