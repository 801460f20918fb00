-- name: ended_since
SELECT item.id, item.rule, item.folder, item.name, item.state, item.cost, item.failure_code, item.failure, item.ready_at,
       item.ended_at, item.batch, item.client_ref, batch.model, batch.remote_id
FROM item LEFT JOIN batch ON batch.id = item.batch
WHERE item.ended_at >= :since AND item.state IN ('done', 'failed', 'unknown')
ORDER BY item.ended_at, item.id

-- name: waiting_items
SELECT item.id, item.rule, item.folder, item.name, item.state, item.cost, item.failure_code, item.failure, item.ready_at,
       item.ended_at, item.batch, item.client_ref, NULL AS model, NULL AS remote_id
FROM item WHERE state = 'waiting' AND current = 1 AND absent_at IS NULL ORDER BY id LIMIT :limit

-- name: troubled_items
SELECT item.id, item.rule, item.folder, item.name, item.state, item.cost, item.failure_code, item.failure, item.ready_at,
       item.ended_at, item.batch, item.client_ref, batch.model, batch.remote_id
FROM item LEFT JOIN batch ON batch.id = item.batch
WHERE item.state IN ('failed', 'unknown') AND item.current = 1
ORDER BY item.state = 'unknown' DESC, item.ended_at DESC, item.id LIMIT :limit
