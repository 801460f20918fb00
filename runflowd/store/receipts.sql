-- name: receipt_facts
SELECT item.*, snapshot.text, coalesce(batch.service, '') AS service, coalesce(batch.model, '') AS model,
       batch.remote_id, batch.sealed_at, batch.submitted_at,
       (SELECT key FROM purchase WHERE purchase.batch = item.batch AND outcome = 'accepted'
        AND (purchase.item IS NULL OR purchase.item = item.id) ORDER BY intended_at DESC, key LIMIT 1) AS key
FROM full_item AS item JOIN snapshot ON snapshot.number = item.snapshot_number
LEFT JOIN batch ON batch.number = item.batch_number
WHERE item.id = :id

-- name: movements_of_item
SELECT kind, amount, currency, at, lower(hex(reference)) AS key, run FROM ledger WHERE item = :item ORDER BY id

-- name: receipt_of
SELECT * FROM receipt WHERE item = :item

-- name: receipt_at
SELECT receipt.*, item.rule, item.dir, item.basename, item.current FROM receipt JOIN item ON item.id = receipt.item
WHERE receipt.key = :key ORDER BY receipt.path = :path DESC LIMIT 1

-- name: reserve_receipt
INSERT INTO receipt (item, root, relative, key, content_hash, earlier, outputs)
VALUES (:item, :root, :relative, :key, :content_hash, :earlier, :outputs)
ON CONFLICT (item) DO UPDATE SET root = excluded.root, relative = excluded.relative, key = excluded.key,
    content_hash = excluded.content_hash, earlier = excluded.earlier, outputs = excluded.outputs

-- name: displace_receipt
UPDATE receipt SET root = NULL, relative = NULL, key = NULL, earlier = '' WHERE item = :item

-- name: set_receipt_outputs
UPDATE receipt SET outputs = :outputs WHERE item = :item

-- name: receipt_written
UPDATE receipt SET earlier = '' WHERE item = :item

-- name: set_receipt_state
UPDATE item SET receipt_state = :receipt_state WHERE id = :id

-- name: outdate_receipt
-- Of a file whose rule wants none there is none to be outdated.
UPDATE item SET receipt_state = 'outdated' WHERE id = :id
  AND (SELECT json_extract(text, '$.receipts') FROM snapshot WHERE snapshot.number = item.snapshot_number) <> ''

-- name: release_receipt
UPDATE item SET owner = NULL, attempts = 0, due_at = 0 WHERE id = :id AND owner = :owner AND generation = :generation

-- name: claim_receipts
UPDATE item SET owner = :owner, generation = generation + 1
WHERE id IN (SELECT id FROM item WHERE receipt_state = 'outdated' AND state IN ('done', 'failed', 'outcome_unknown')
             AND due_at <= :now AND owner IS NULL
             AND rule NOT IN (SELECT value FROM json_each(:paused))
             ORDER BY due_at, id LIMIT :limit)
RETURNING id

-- name: next_receipt
SELECT min(due_at) AS due_at FROM item WHERE receipt_state = 'outdated' AND state IN ('done', 'failed', 'outcome_unknown')
  AND owner IS NULL AND rule NOT IN (SELECT value FROM json_each(:paused))

-- name: wake_all_receipts
UPDATE item SET due_at = 0 WHERE receipt_state = 'outdated' AND state IN ('done', 'failed', 'outcome_unknown')
  AND due_at > 0

-- name: receipts_left
SELECT count(*) AS count FROM item WHERE receipt_state = 'outdated' AND state IN ('done', 'failed', 'outcome_unknown')
