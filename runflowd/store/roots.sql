-- name: facts_of_roots
SELECT subject, value FROM fact WHERE service = '' AND subject >= 'root:' AND subject < 'root;'

-- name: has_worked
SELECT 1 FROM item WHERE rule = :rule LIMIT 1

-- name: sample_of_folder
-- The latest first: a folder that was put back from a copy lacks these.
SELECT folder, name, size, mtime_ns FROM item
WHERE rule = :rule AND current = 1 AND absent_at IS NULL
  AND (:folder = x'' OR folder = :folder OR (folder >= :below AND folder < :beyond))
ORDER BY found_at DESC LIMIT :limit
