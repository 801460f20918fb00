-- The local service's database. Moments are seconds since 1970, amounts are millionths of a dollar, JSON is
-- ASCII text. Files live beside it, named by the sha256 of their content.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE assets (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT,                      -- null until the bytes arrived
    confirmed INTEGER NOT NULL,
    folder_id TEXT,
    source_type TEXT NOT NULL,        -- upload, data_uri or run
    source_id TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT;

CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    metadata TEXT,
    callback_url TEXT,
    status TEXT NOT NULL,
    total INTEGER NOT NULL,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    cost INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    started_at REAL,
    completed_at REAL
) STRICT;

CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    batch_id TEXT REFERENCES batches (id),
    item_id TEXT UNIQUE,
    sequence_index INTEGER,
    model TEXT NOT NULL,
    input TEXT NOT NULL,              -- what was sent, own images as runflow:// references
    images TEXT NOT NULL,             -- {"image_url": {"sha256", "name", "asset_id"}}
    metadata TEXT,
    callback_url TEXT,
    client_ref TEXT,
    status TEXT NOT NULL,
    output TEXT,                      -- [{"asset_id", "name", "mime_type", "width", "height", "seconds"}]
    price INTEGER NOT NULL,           -- by the run: what it costs; by the second: about
    cost INTEGER NOT NULL DEFAULT 0,
    failure_code TEXT,
    failure_message TEXT,
    failure_stage TEXT,
    request_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    started_at REAL,
    completed_at REAL,
    starts INTEGER NOT NULL DEFAULT 0 -- how often work on it began
) STRICT;
CREATE INDEX runs_by_batch ON runs (batch_id, sequence_index);
CREATE INDEX runs_by_client_ref ON runs (client_ref) WHERE client_ref IS NOT NULL;
CREATE INDEX runs_waiting ON runs (number) WHERE status = 'queued';

CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    run_id TEXT NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX logs_by_run ON logs (run_id);

-- The ledger: one row for each run that was charged, in the transaction that made it succeed.
CREATE TABLE charges (
    run_id TEXT PRIMARY KEY,
    batch_id TEXT,
    model TEXT NOT NULL,
    content TEXT NOT NULL,            -- sha256 of each input image, joined by commas
    input TEXT NOT NULL,              -- the input with images replaced by their sha256
    amount INTEGER NOT NULL,
    charged_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,        -- sha256 of method, path and body
    answer TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    plain TEXT NOT NULL,
    label TEXT,
    is_current INTEGER NOT NULL,
    last_used_at REAL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT;

CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,               -- run or batch
    subject_id TEXT NOT NULL,
    url TEXT NOT NULL,
    payload BLOB NOT NULL,            -- frozen: every attempt sends these bytes
    secret_id TEXT,
    automatic INTEGER NOT NULL,
    status TEXT NOT NULL,             -- pending, succeeded or failed
    reason TEXT,
    detail TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    next_at REAL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    completed_at REAL
) STRICT;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE status = 'pending';
CREATE INDEX deliveries_by_subject ON deliveries (subject_id);

CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    delivery_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER,
    response_body TEXT,
    milliseconds INTEGER NOT NULL,
    error TEXT,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX attempts_by_delivery ON attempts (delivery_id);
