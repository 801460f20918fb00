-- name: charged
SELECT amount, count(*) AS count FROM ledger
WHERE account IN (SELECT number FROM account) AND currency = :currency AND period >= :first AND period <= :last GROUP BY amount

-- name: charged_in_others
SELECT currency, amount, count(*) AS count FROM ledger
WHERE account IN (SELECT number FROM account) AND currency <> :currency AND period >= :first AND period <= :last
GROUP BY currency, amount

-- name: charged_of_rule
SELECT amount, count(*) AS count FROM ledger
WHERE account IN (SELECT number FROM account WHERE rule = :rule)
  AND currency = :currency AND period >= :first AND period <= :last GROUP BY amount

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
SELECT ledger.amount, recipe.hash AS recipe_hash
FROM account CROSS JOIN ledger ON ledger.id IN (
    SELECT one.id FROM ledger AS one WHERE one.account = account.number AND one.kind = 'charge' AND one.currency = :currency
    ORDER BY one.id DESC LIMIT :limit)
LEFT JOIN item ON item.id = ledger.item LEFT JOIN recipe ON recipe.number = item.recipe_number
WHERE account.service = :service AND account.model = :model
ORDER BY ledger.id DESC LIMIT :limit

-- name: movements
SELECT amount FROM ledger WHERE reference = unhex(:key) AND item = :item AND currency = :currency

-- name: save_account
INSERT INTO account (service, model, rule) SELECT :service, :model, :rule
WHERE NOT EXISTS (SELECT 1 FROM account WHERE service = :service AND model = :model AND rule = :rule)

-- name: insert_movement
INSERT INTO ledger (account, reference, item, kind, amount, currency, at, period, dir, run)
VALUES ((SELECT min(number) FROM account WHERE service = :service AND model = :model AND rule = :rule),
        unhex(:key), :item, :kind, :amount, :currency, :at, :period, :dir, :run)

-- name: rename_charges
UPDATE account SET rule = :after WHERE rule = :before

-- name: charged_last
SELECT ledger.amount, ledger.currency
FROM account CROSS JOIN ledger ON ledger.id = (
    SELECT one.id FROM ledger AS one WHERE one.account = account.number AND one.kind = 'charge'
      AND one.at > coalesce((SELECT CAST(value AS REAL) FROM kv WHERE kv.service = '' AND key = 'resumed:' || :rule), 0)
    ORDER BY one.id DESC LIMIT 1)
WHERE account.service = :service AND account.model = :model
ORDER BY ledger.id DESC LIMIT 1

-- name: priced_by
SELECT id, recipe.hash AS recipe_hash, recipe.input, pixels FROM item LEFT JOIN recipe ON recipe.number = recipe_number
WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(:ids))

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
UPDATE ledger SET period = :period WHERE account IN (SELECT number FROM account) AND period > :period
