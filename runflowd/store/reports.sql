-- name: ended_since
SELECT item.id, item.rule, item.dir, item.basename, item.state, item.cost, item.currency, item.hosted, item.failure_code, item.failure, item.ready_at,
       item.ended_at, batch.id AS batch, lower(hex(item.reference)) AS client_ref, batch.model, batch.remote_id
FROM item LEFT JOIN batch ON batch.number = item.batch_number
WHERE item.ended_at >= :since AND item.state IN ('done', 'failed', 'outcome_unknown')
ORDER BY item.ended_at, item.id

-- name: waiting_items
SELECT item.id, item.rule, item.dir, item.basename, item.state, item.cost, item.currency, item.hosted, item.failure_code, item.failure, item.ready_at,
       item.ended_at, NULL AS batch, lower(hex(item.reference)) AS client_ref, NULL AS model, NULL AS remote_id
FROM item_rule CROSS JOIN item ON item.rule = item_rule.rule
WHERE item.state = 'waiting' AND item.current = 1 AND item.absent_at IS NULL ORDER BY item.id LIMIT :limit

-- name: failed_items
SELECT item.id, item.rule, item.dir, item.basename, item.state, item.cost, item.currency, item.hosted, item.failure_code, item.failure, item.ready_at,
       item.ended_at, batch.id AS batch, lower(hex(item.reference)) AS client_ref, batch.model, batch.remote_id
FROM item_rule CROSS JOIN item ON item.rule = item_rule.rule LEFT JOIN batch ON batch.number = item.batch_number
WHERE item.state IN ('failed', 'outcome_unknown') AND item.current = 1
ORDER BY item.state = 'outcome_unknown' DESC, item.ended_at DESC, item.id LIMIT :limit

-- name: failure_groups
-- Of each group the latest: SQLite takes the other columns from the row that has the maximum.
SELECT item.rule, item.state, item.failure_code, item.failure, item.dir, item.basename, lower(hex(item.reference)) AS client_ref,
       count(*) AS alike, sum(CAST(coalesce(item.cost, '0') AS REAL) > 0) AS charged,
       max(coalesce(item.ended_at, 0)) AS latest
FROM item_rule CROSS JOIN item ON item.rule = item_rule.rule
WHERE item.state IN ('failed', 'outcome_unknown') AND item.current = 1
GROUP BY item.rule, item.state, item.failure_code
ORDER BY item.state = 'outcome_unknown' DESC, latest DESC LIMIT :limit

-- name: partial_items
SELECT item.id, item.rule, item.dir, item.basename, item.state, item.cost, item.currency, item.hosted, item.failure_code, item.failure, item.ready_at,
       item.ended_at, batch.id AS batch, lower(hex(item.reference)) AS client_ref, batch.model, batch.remote_id
FROM item LEFT JOIN batch ON batch.number = item.batch_number
WHERE item.ended_at >= :since AND item.state = 'done' AND item.failure_code <> '' AND item.current = 1
ORDER BY item.ended_at DESC LIMIT :limit
