-- Schema 1. Times are epoch seconds, sizes bytes, money decimal text. Paths are blobs: os.fsencode.

CREATE TABLE snapshot (
    id   TEXT PRIMARY KEY,              -- sha256 of text
    rule TEXT NOT NULL,
    text TEXT NOT NULL                  -- the rule as it was when items were accepted under it
) STRICT;

CREATE TABLE batch (
    id           TEXT PRIMARY KEY,
    rule         TEXT NOT NULL,
    snapshot     TEXT NOT NULL REFERENCES snapshot (id),
    service      TEXT NOT NULL,         -- base URL; a batch is polled where it was bought
    model        TEXT NOT NULL,
    state        TEXT NOT NULL,
    items        INTEGER NOT NULL,
    shape        TEXT NOT NULL DEFAULT '',
    remote_id    TEXT,
    status       TEXT NOT NULL DEFAULT '',
    cost         TEXT,
    failure_code TEXT NOT NULL DEFAULT '',
    failure      TEXT NOT NULL DEFAULT '',
    attempts     INTEGER NOT NULL DEFAULT 0,
    due_at       REAL NOT NULL DEFAULT 0,
    sealed_at    REAL NOT NULL,
    submitted_at REAL,
    stalled_at   REAL,
    ended_at     REAL,
    owner        TEXT,
    lease_until  REAL NOT NULL DEFAULT 0,
    generation   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX batch_due ON batch (state, service, due_at);
CREATE INDEX batch_remote ON batch (remote_id) WHERE remote_id IS NOT NULL;

CREATE TABLE item (
    id           INTEGER PRIMARY KEY,
    rule         TEXT NOT NULL,
    folder       BLOB NOT NULL,         -- below the watched root, x'' for the root itself
    name         BLOB NOT NULL,
    current      INTEGER NOT NULL DEFAULT 1,   -- 0: a newer content took this path
    absent_at    REAL,                  -- when the file was seen to be deleted
    size         INTEGER NOT NULL,
    mtime_ns     INTEGER NOT NULL,
    inode        INTEGER NOT NULL,
    state        TEXT NOT NULL,
    content      TEXT,                  -- sha256 of the bytes
    mime         TEXT NOT NULL DEFAULT '',
    recipe       TEXT,                  -- hash of model, resolved input and output settings
    input        TEXT,                  -- resolved input, upload URLs still symbolic
    snapshot     TEXT REFERENCES snapshot (id),
    batch        TEXT REFERENCES batch (id),
    position     INTEGER,
    client_ref   TEXT NOT NULL,
    run_id       TEXT,
    source_item  INTEGER,               -- takes the result of that item
    output       TEXT,                  -- the service's answer until it is delivered
    cost         TEXT,
    failure_code TEXT NOT NULL DEFAULT '',
    failure      TEXT NOT NULL DEFAULT '',
    noted        INTEGER NOT NULL DEFAULT 0,   -- a note in the output folder: 0 none, 1 up to date, 2 out of date
    attempts     INTEGER NOT NULL DEFAULT 0,
    due_at       REAL NOT NULL DEFAULT 0,
    found_at     REAL NOT NULL,
    ready_at     REAL,
    ended_at     REAL,
    owner        TEXT,
    lease_until  REAL NOT NULL DEFAULT 0,
    generation   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX item_path ON item (rule, folder, name) WHERE current = 1;
CREATE UNIQUE INDEX item_client_ref ON item (client_ref);
CREATE INDEX item_content ON item (rule, content, recipe) WHERE content IS NOT NULL;
CREATE INDEX item_batch ON item (batch) WHERE batch IS NOT NULL;
CREATE INDEX item_state ON item (rule, state);
CREATE INDEX item_ready ON item (snapshot, id) WHERE state = 'ready';
CREATE INDEX item_delivering ON item (rule, due_at, id) WHERE state = 'delivering';
CREATE INDEX item_unnoted ON item (id) WHERE state IN ('failed', 'unknown', 'waiting') AND noted <> 1;
CREATE INDEX item_absent ON item (absent_at) WHERE absent_at IS NOT NULL;
CREATE INDEX item_to_look_at ON item (rule, folder) WHERE size < 0;
CREATE INDEX item_following ON item (source_item) WHERE state = 'following';
CREATE INDEX item_ended ON item (ended_at) WHERE cost IS NOT NULL;

-- Every request that may cost money, written before it is sent.
CREATE TABLE purchase (
    key         TEXT PRIMARY KEY,       -- the Idempotency-Key
    batch       TEXT NOT NULL REFERENCES batch (id),
    item        INTEGER,                -- set for a single run
    shape       TEXT NOT NULL,
    body        BLOB,                   -- exact bytes; dropped once the answer is known
    outcome     TEXT NOT NULL DEFAULT 'intended',
    ambiguous   INTEGER NOT NULL DEFAULT 0,    -- 1: sent once without a clear answer
    intended_at REAL NOT NULL,
    remote_id   TEXT
) STRICT;

CREATE INDEX purchase_batch ON purchase (batch);

CREATE TABLE asset (
    service      TEXT NOT NULL,
    content      TEXT NOT NULL,
    mime         TEXT NOT NULL,
    asset_id     TEXT NOT NULL,
    url          TEXT NOT NULL,
    confirmed_at REAL NOT NULL,
    PRIMARY KEY (service, content, mime)
) STRICT;

-- Files that runflowd wrote, or is about to: the row comes before the rename.
CREATE TABLE output (
    path       BLOB PRIMARY KEY,        -- absolute
    key        TEXT NOT NULL,           -- equal for paths that some file system cannot tell apart
    item       INTEGER NOT NULL,
    position   INTEGER NOT NULL,        -- among the outputs of one item
    content    TEXT NOT NULL,
    size       INTEGER NOT NULL,
    earlier    TEXT NOT NULL DEFAULT '',   -- hashes of what we wrote there before, until written_at is set
    written_at REAL
) STRICT;

CREATE INDEX output_item ON output (item);
CREATE INDEX output_key ON output (key);

-- What was learnt of a service: the batch body it takes, models without batches, usual durations.
CREATE TABLE fact (
    service TEXT NOT NULL,
    subject TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (service, subject)
) STRICT;

-- Trouble wider than one item: one row while it lasts.
CREATE TABLE incident (
    scope    TEXT PRIMARY KEY,
    code     TEXT NOT NULL,
    message  TEXT NOT NULL,
    remedy   TEXT NOT NULL,
    since    REAL NOT NULL,
    last     REAL NOT NULL,
    count    INTEGER NOT NULL DEFAULT 1
) STRICT;
