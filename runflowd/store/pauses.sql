-- name: pauses
SELECT rule, since, reason FROM pause ORDER BY rule

-- name: save_pause
INSERT INTO pause (rule, since, reason) VALUES (:rule, :now, :reason)
ON CONFLICT DO UPDATE SET reason = excluded.reason

-- name: drop_pause
DELETE FROM pause WHERE rule = :rule
