-- name: values_of_roots
SELECT key, value FROM kv WHERE service = '' AND key >= 'root:' AND key < 'root;'

-- name: has_worked
SELECT 1 FROM item WHERE rule = :rule LIMIT 1

-- name: sample_of_folder
-- The latest first: a folder that was put back from a copy lacks these.
SELECT dir, basename, CASE WHEN rescan_requested = 0 AND rerun_requested = 0 THEN size END AS size, mtime_ns FROM item
WHERE rule = :rule AND current = 1
  AND left_behind = :left_behind AND (absent_at IS NOT NULL) = (left_behind = 1)
  AND (:dir = x'' OR dir = :dir OR (dir >= :below AND dir < :beyond))
ORDER BY found_at DESC LIMIT :limit

-- name: leave_behind
-- Of what is paid for: nobody deleted these files, another folder was accepted in the place of theirs.
UPDATE item SET absent_at = :now, left_behind = 1
WHERE rule = :rule AND current = 1 AND absent_at IS NULL AND state IN ('queued', 'submitted', 'downloading', 'done', 'outcome_unknown')
  AND (:dir = x'' OR dir = :dir OR (dir >= :below AND dir < :beyond))

-- name: left_behind
SELECT id, dir, basename, (SELECT count(*) FROM output WHERE output.item = item.id) AS outputs FROM item
WHERE rule = :rule AND state = 'done' AND current = 1 AND absent_at IS NOT NULL AND left_behind = 1 AND id > :after
ORDER BY id LIMIT :limit
