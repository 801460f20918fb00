-- name: wake_batches_of
UPDATE batch SET due_at = 0
WHERE state = 'submitted' AND owner IS NULL
  AND (remote_id = :batch OR id IN (SELECT item.batch FROM batch AS open JOIN item ON item.batch = open.id
                                    WHERE open.state = 'submitted' AND item.run_id = :run))

-- name: batches_held
SELECT 1 FROM batch
WHERE state = 'submitted' AND owner IS NOT NULL
  AND (remote_id = :batch OR id IN (SELECT item.batch FROM batch AS open JOIN item ON item.batch = open.id
                                    WHERE open.state = 'submitted' AND item.run_id = :run))
LIMIT 1
