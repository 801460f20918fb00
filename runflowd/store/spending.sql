-- name: set_bought
UPDATE item SET bought_at = :now WHERE id = :id AND batch_number = (SELECT number FROM batch WHERE id = :batch) AND bought_at IS NULL
  AND (SELECT service FROM batch WHERE batch.id = :batch) <> 'local'

-- name: latest_costs
SELECT coalesce(cost, hosted) AS cost FROM item WHERE coalesce(cost, hosted) IS NOT NULL AND batch_number IN (
    SELECT number FROM batch WHERE model = :model AND service = :service AND submitted_at IS NOT NULL
    ORDER BY sealed_at DESC LIMIT :limit)

-- name: hosted_since
WITH RECURSIVE prices(hosted) AS (
    SELECT min(hosted) FROM item WHERE hosted IS NOT NULL
    UNION ALL
    SELECT (SELECT min(hosted) FROM item WHERE hosted IS NOT NULL AND item.hosted > prices.hosted) FROM prices
    WHERE prices.hosted IS NOT NULL)
SELECT hosted AS amount, (SELECT count(*) FROM item WHERE item.hosted = prices.hosted AND ended_at >= :since AND ended_at < :until) AS count
FROM prices WHERE hosted IS NOT NULL

-- name: spend_by_rule
SELECT account.rule AS name, kind, currency, amount, count(*) AS count
FROM ledger INDEXED BY ledger_at CROSS JOIN account ON account.number = ledger.account
WHERE at >= :since AND at < :until GROUP BY account.rule, kind, currency, amount

-- name: spend_by_model
SELECT account.model AS name, kind, currency, amount, count(*) AS count
FROM ledger INDEXED BY ledger_at CROSS JOIN account ON account.number = ledger.account
WHERE at >= :since AND at < :until GROUP BY account.model, kind, currency, amount

-- name: spend_by_folder
SELECT account.rule AS name, dir, kind, currency, amount, count(*) AS count
FROM ledger INDEXED BY ledger_at CROSS JOIN account ON account.number = ledger.account
WHERE at >= :since AND at < :until GROUP BY account.rule, dir, kind, currency, amount

-- name: spend_between
SELECT kind, currency, amount, count(*) AS count FROM ledger INDEXED BY ledger_at
WHERE at >= :since AND at < :until GROUP BY kind, currency, amount

-- name: next_movement
SELECT min(at) AS at FROM ledger WHERE at >= :since AND at < :until

-- name: reserved_besides
SELECT state = 'outcome_unknown' AS doubtful, currency, estimate_high AS amount, count(*) AS count
FROM item INDEXED BY item_reserved
WHERE period > '' AND period IS NOT NULL AND cost IS NULL
  AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done')
GROUP BY doubtful, currency, amount

-- name: ledger_of_service
SELECT key, rule, currency, amount, at, run FROM full_ledger WHERE service = :service ORDER BY id

-- name: references_pending
SELECT lower(hex(reference)) AS client_ref, run_id FROM item
WHERE state IN ('queued', 'submitted') AND batch_number IN (SELECT number FROM batch WHERE service = :service)

-- name: batches_at_service
SELECT remote_id FROM batch WHERE service = :service AND remote_id IS NOT NULL

-- name: files_of_references
SELECT lower(hex(reference)) AS client_ref, rule, dir, basename FROM item
WHERE reference IN (SELECT unhex(value) FROM json_each(:references))
