-- name: open_batch_counts
SELECT state, count(*) AS count FROM batch
WHERE state IN ('sealed', 'submitted', 'unknown') GROUP BY state

-- name: bought_since
SELECT item.id, item.rule, CASE item.currency WHEN :currency THEN item.cost ELSE '0' END AS cost, item.state, item.ready_at, item.ended_at, batch.submitted_at
FROM item JOIN batch ON batch.number = item.batch_number
WHERE item.cost IS NOT NULL AND item.ended_at >= :since
UNION ALL
SELECT item.id, item.rule, '0', item.state, item.ready_at, item.ended_at, batch.submitted_at
FROM item JOIN batch ON batch.number = item.batch_number
WHERE item.hosted IS NOT NULL AND item.ended_at >= :since
ORDER BY 6, 1 LIMIT :limit

