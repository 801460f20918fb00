-- name: batches_hinted
SELECT id, owner IS NOT NULL AS held FROM batch
WHERE state = 'submitted'
  AND (remote_id = :batch OR id IN (SELECT open.id FROM batch AS open JOIN item ON item.batch_number = open.number
                                    WHERE open.state = 'submitted' AND item.run_id = :run))

-- name: poll_by
UPDATE batch SET due_at = :due WHERE id = :id AND owner IS NULL AND due_at > :due
