-- Statements that `dialect.py` cannot tell in PostgreSQL's words; all others are SQLite's.

-- name: age_pricing
UPDATE kv SET value = CAST(jsonb_set(CAST(value AS jsonb), '{at}', to_jsonb(CAST(:at AS REAL))) AS TEXT) WHERE key = :key

-- name: begin_plan
CREATE TEMP TABLE planned (
    rule text COLLATE "C" NOT NULL, content_hash text NOT NULL, recipe_hash text NOT NULL, path text NOT NULL,
    PRIMARY KEY (rule, content_hash, recipe_hash)
)

-- name: busy_folders
WITH found AS (
    SELECT item.rule, item.dir, 1 AS open FROM item_rule JOIN item ON item.rule = item_rule.rule
    WHERE item.state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading') AND item.current = 1
    UNION ALL
    SELECT rule, dir, 0 FROM item
    WHERE ended_at >= :since AND state IN ('done', 'failed', 'outcome_unknown') AND current = 1)
SELECT rule, substr(dir, 1, position(x'2f' IN dir || x'2f') - 1) AS top, max(open) AS open
FROM found WHERE dir <> x'' GROUP BY rule, top

-- name: failure_groups
SELECT rule, state, failure_code, failure, dir, basename, client_ref, alike, charged, latest FROM (
    SELECT item.rule, item.state, item.failure_code, item.failure, item.dir, item.basename, encode(item.reference, 'hex') AS client_ref,
           count(*) OVER cause AS alike,
           count(*) FILTER (WHERE CAST(coalesce(item.cost, '0') AS REAL) > 0) OVER cause AS charged,
           max(coalesce(item.ended_at, 0)) OVER cause AS latest,
           row_number() OVER (PARTITION BY item.rule, item.state, item.failure_code
                              ORDER BY coalesce(item.ended_at, 0) DESC, item.id) AS place
    FROM item WHERE item.state IN ('failed', 'outcome_unknown') AND item.current = 1
    WINDOW cause AS (PARTITION BY item.rule, item.state, item.failure_code)) AS found
WHERE place = 1 ORDER BY state = 'outcome_unknown' DESC, latest DESC LIMIT :limit

-- name: charged_last
SELECT ledger.amount, ledger.currency
FROM account CROSS JOIN LATERAL (
    SELECT id, amount, currency FROM ledger WHERE ledger.account = account.number AND kind = 'charge'
      AND at > coalesce((SELECT CAST(value AS REAL) FROM kv WHERE service = '' AND key = 'resumed:' || :rule), 0)
    ORDER BY id DESC LIMIT 1) AS ledger
WHERE account.service = :service AND account.model = :model
ORDER BY ledger.id DESC LIMIT 1

-- name: last_charges
SELECT ledger.amount, recipe.hash AS recipe_hash
FROM account CROSS JOIN LATERAL (
    SELECT id, item, amount FROM ledger WHERE ledger.account = account.number AND kind = 'charge' AND currency = :currency
    ORDER BY id DESC LIMIT :limit) AS ledger
LEFT JOIN item ON item.id = ledger.item LEFT JOIN recipe ON recipe.number = item.recipe_number
WHERE account.service = :service AND account.model = :model
ORDER BY ledger.id DESC LIMIT :limit

-- name: overdue
SELECT DISTINCT ON (rule) rule, count(*) OVER of_rule AS batches, sum(files) OVER of_rule AS files,
       submitted_at AS since, oldest, remote_id
FROM (SELECT rule, submitted_at, id AS oldest, remote_id,
             (SELECT count(*) FROM item WHERE item.batch_number = batch.number AND item.state = 'submitted') AS files
      FROM batch WHERE state = 'submitted' AND stalled_at IS NOT NULL) AS late
WINDOW of_rule AS (PARTITION BY rule) ORDER BY rule, submitted_at
