-- name: pauses
SELECT rule, since, reason, recipe FROM pause ORDER BY rule

-- name: save_pause
INSERT INTO pause (rule, since, reason) VALUES (:rule, :now, :reason)
ON CONFLICT DO UPDATE SET reason = excluded.reason, recipe = ''

-- name: stop_rule
-- Whom a person has paused stays so, whatever is edited.
INSERT INTO pause (rule, since, reason, recipe) VALUES (:rule, :now, :reason, :recipe) ON CONFLICT DO NOTHING

-- name: end_incident_of_pause
DELETE FROM incident WHERE scope = :scope

-- name: drop_pause
DELETE FROM pause WHERE rule = :rule
