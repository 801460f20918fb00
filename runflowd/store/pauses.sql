-- name: pauses
-- What to do about a stop is what its incident says.
SELECT pause.rule, pause.since, pause.reason, pause.kind, pause.recipe, coalesce(incident.remedy, '') AS advice
FROM pause LEFT JOIN incident ON pause.kind <> 'operator' AND incident.scope = 'results:' || pause.rule
ORDER BY pause.rule

-- name: pause_of_rule
SELECT 1 FROM pause WHERE rule IN (:rule, '') LIMIT 1

-- name: save_pause
INSERT INTO pause (rule, since, reason, kind) VALUES (:rule, :now, :reason, :kind)
ON CONFLICT (rule) DO UPDATE SET reason = excluded.reason, kind = excluded.kind, recipe = NULL

-- name: stop_rule
-- Whom a person has paused stays so, whatever is edited.
INSERT INTO pause (rule, since, reason, kind, recipe) VALUES (:rule, :now, :reason, :kind, :recipe)
ON CONFLICT (rule) DO UPDATE SET reason = excluded.reason, kind = excluded.kind, recipe = excluded.recipe WHERE pause.kind = 'in_doubt'

-- name: hold_rule
INSERT INTO pause (rule, since, reason, kind, recipe) VALUES (:rule, :now, :reason, :kind, :recipe)
ON CONFLICT (rule) DO UPDATE SET reason = excluded.reason, recipe = excluded.recipe WHERE pause.kind = 'in_doubt'

-- name: end_holds
DELETE FROM pause WHERE kind = 'in_doubt' AND recipe = :recipe RETURNING rule

-- name: bought_before_resume
SELECT 1 FROM item JOIN kv ON kv.service = '' AND kv.key = 'resumed:' || item.rule
WHERE item.id = :id AND item.bought_at <= CAST(kv.value AS REAL)

-- name: end_incident_of_pause
DELETE FROM incident WHERE scope = :scope

-- name: drop_pause
DELETE FROM pause WHERE rule = :rule
