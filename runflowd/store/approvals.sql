-- name: approval
SELECT sampled, approved, everything FROM approval WHERE rule = :rule AND recipe = :recipe

-- name: save_approval
INSERT INTO approval (rule, recipe, sampled, approved, everything)
VALUES (:rule, :recipe, :sampled, :approved, :everything)
ON CONFLICT (rule, recipe) DO UPDATE SET sampled = excluded.sampled, approved = excluded.approved, everything = excluded.everything

-- name: crowd
SELECT files, cost, passed FROM crowd WHERE rule = :rule

-- name: crowded_rules
SELECT rule FROM crowd

-- name: save_crowd
INSERT INTO crowd (rule, files, cost, passed) VALUES (:rule, :files, :cost, :passed)
ON CONFLICT (rule) DO UPDATE SET files = excluded.files, cost = excluded.cost, passed = excluded.passed

-- name: drop_crowd
DELETE FROM crowd WHERE rule = :rule

-- name: drop_crowd_that_went
DELETE FROM crowd WHERE rule = :rule
  AND NOT EXISTS (SELECT 1 FROM item WHERE item.rule = :rule AND state = 'ready' AND approved = 0)

-- name: count_unapproved
SELECT count(*) AS count FROM item
WHERE state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE' AND snapshot_number = (SELECT number FROM snapshot WHERE id = :snapshot) AND approved = 0

-- name: count_unapproved_of_rule
SELECT count(*) AS count FROM item
WHERE rule = :rule AND state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE' AND approved = 0

-- name: priced_unapproved
SELECT recipe.hash AS recipe_hash, recipe.input, pixels FROM item JOIN recipe ON recipe.number = recipe_number
WHERE state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE' AND snapshot_number = (SELECT number FROM snapshot WHERE id = :snapshot) AND approved = 0
ORDER BY id LIMIT :limit

-- name: approved_among
SELECT id FROM item WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(:ids)) AND approved = 1

-- name: share_approval
UPDATE item SET approved = 1 WHERE id = :id AND (SELECT approved FROM item AS other WHERE other.id = :other) = 1

-- name: displace_approvals
DELETE FROM approval WHERE rule = :after AND recipe IN (SELECT recipe FROM approval AS kept WHERE kept.rule = :before)

-- name: rename_approvals
UPDATE approval SET rule = :after WHERE rule = :before

-- name: displace_crowd
DELETE FROM crowd WHERE rule = :after AND EXISTS (SELECT 1 FROM crowd AS kept WHERE kept.rule = :before)

-- name: rename_crowd
UPDATE crowd SET rule = :after WHERE rule = :before
