-- name: pauses
-- What to do about a stop is what its incident says.
SELECT pause.rule, pause.since, pause.reason, pause.recipe, coalesce(incident.remedy, '') AS advice
FROM pause LEFT JOIN incident ON pause.recipe <> '' AND incident.scope = 'results:' || pause.rule
ORDER BY pause.rule

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
