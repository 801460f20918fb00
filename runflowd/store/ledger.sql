-- name: charged
SELECT amount, count(*) AS count FROM ledger
WHERE currency = :currency AND period >= :first AND period <= :last GROUP BY amount

-- name: charged_in_others
SELECT currency, amount, count(*) AS count FROM ledger
WHERE currency <> :currency AND period >= :first AND period <= :last GROUP BY currency, amount

-- name: charged_of_rule
SELECT amount, count(*) AS count FROM ledger
WHERE rule = :rule AND currency = :currency AND period >= :first AND period <= :last GROUP BY amount

-- name: reserved
SELECT estimate_high AS amount, count(*) AS count FROM item
WHERE period >= :first AND period <= :last AND period IS NOT NULL AND currency = :currency AND cost IS NULL
  AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done')
GROUP BY estimate_high

-- name: reserved_of_rule
SELECT estimate_high AS amount, count(*) AS count FROM item
WHERE rule = :rule AND period >= :first AND period <= :last AND period IS NOT NULL AND currency = :currency AND cost IS NULL
  AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done')
GROUP BY estimate_high

-- name: asked_price
SELECT 1 FROM item INDEXED BY item_reserved_of_rule
WHERE rule = :rule AND estimate_high IS NULL AND period > '' AND period IS NOT NULL AND cost IS NULL
  AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done')
LIMIT 1

-- name: last_charges
SELECT ledger.amount, recipe.hash AS recipe_hash FROM ledger LEFT JOIN item ON item.id = ledger.item
LEFT JOIN recipe ON recipe.number = item.recipe_number
WHERE ledger.service = :service AND ledger.model = :model AND ledger.kind = 'charge' AND ledger.currency = :currency
ORDER BY ledger.id DESC LIMIT :limit

-- name: reserve
UPDATE item SET estimate_low = :low, estimate_high = :high, currency = :currency, period = :period WHERE id = :id

-- name: movements
SELECT amount FROM ledger WHERE key = :key AND item = :item AND currency = :currency

-- name: insert_movement
INSERT INTO ledger (key, item, kind, amount, currency, at, period, service, rule, dir, model, run)
VALUES (:key, :item, :kind, :amount, :currency, :at, :period, :service, :rule, :dir, :model, :run)

-- name: rename_charges
UPDATE ledger SET rule = :after WHERE rule = :before

-- name: charged_last
SELECT amount, currency FROM ledger
WHERE service = :service AND model = :model AND kind = 'charge'
  AND at > coalesce((SELECT CAST(value AS REAL) FROM kv WHERE service = '' AND key = 'resumed:' || :rule), 0)
ORDER BY id DESC LIMIT 1

-- name: priced_by
SELECT recipe.hash AS recipe_hash, recipe.input, pixels FROM item LEFT JOIN recipe ON recipe.number = recipe_number
WHERE id = :id

-- name: park
UPDATE item SET failure_code = 'FILE_TOO_EXPENSIVE', failure = :reason WHERE id = :id AND state = 'ready'

-- name: parked
SELECT rule, count(*) AS count, min(failure) AS reason FROM item
WHERE state = 'ready' AND failure_code = 'FILE_TOO_EXPENSIVE' GROUP BY rule

-- name: unpark
UPDATE item SET failure_code = '', failure = '' WHERE state = 'ready' AND failure_code = 'FILE_TOO_EXPENSIVE'

-- name: set_cost
UPDATE item SET cost = :cost, currency = :currency WHERE id = :id AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: redate_reservations
UPDATE item SET period = :period
WHERE period > :period AND period IS NOT NULL AND cost IS NULL
  AND state IN ('queued', 'submitted', 'outcome_unknown', 'downloading', 'done')

-- name: redate_movements
UPDATE ledger SET period = :period WHERE period > :period
