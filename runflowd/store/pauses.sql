-- name: pauses
-- What to do about a stop is what its incident says.
SELECT pause.rule, pause.since, pause.reason, pause.recipe, pause.passing, coalesce(incident.remedy, '') AS advice
FROM pause LEFT JOIN incident ON pause.recipe <> '' AND incident.scope = 'results:' || pause.rule
ORDER BY pause.rule

-- name: pause_of_rule
SELECT passing FROM pause WHERE rule IN (:rule, '') LIMIT 1

-- name: save_pause
INSERT INTO pause (rule, since, reason) VALUES (:rule, :now, :reason)
ON CONFLICT DO UPDATE SET reason = excluded.reason, recipe = '', passing = 0

-- name: stop_rule
-- Whom a person has paused stays so, whatever is edited.
INSERT INTO pause (rule, since, reason, recipe) VALUES (:rule, :now, :reason, :recipe)
ON CONFLICT DO UPDATE SET reason = excluded.reason, recipe = excluded.recipe, passing = 0 WHERE passing = 1

-- name: hold_rule
INSERT INTO pause (rule, since, reason, recipe, passing) VALUES (:rule, :now, :reason, :recipe, 1)
ON CONFLICT DO UPDATE SET reason = excluded.reason, recipe = excluded.recipe WHERE passing = 1

-- name: end_holds
DELETE FROM pause WHERE passing = 1 AND recipe = :recipe RETURNING rule

-- name: bought_before_resume
SELECT 1 FROM item JOIN kv ON kv.service = '' AND kv.key = 'resumed:' || item.rule
WHERE item.id = :id AND item.bought_at <= CAST(kv.value AS REAL)

-- name: end_incident_of_pause
DELETE FROM incident WHERE scope = :scope

-- name: drop_pause
DELETE FROM pause WHERE rule = :rule
