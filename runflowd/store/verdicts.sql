-- name: add_verdict
INSERT INTO verdict (item, reference, at, who, verdict, reason)
SELECT id, lower(hex(reference)), :at, :who, :verdict, :reason FROM item WHERE id = :id

-- name: verdicts_of
SELECT * FROM verdict WHERE item = :item ORDER BY id

-- name: last_verdict
SELECT * FROM verdict WHERE item = :item ORDER BY id DESC LIMIT 1

-- name: newest_verdict
SELECT max(id) AS id FROM verdict

-- name: verdicts_in_force
-- Of those given one after the other, by one person, the ones that nothing was said after.
SELECT id, item FROM verdict
WHERE id >= :first AND id <= :last AND who = :who AND verdict = :verdict
  AND NOT EXISTS (SELECT 1 FROM verdict AS later WHERE later.item = verdict.item AND later.id > verdict.id)
ORDER BY id LIMIT :limit

-- name: set_review
UPDATE item SET review = :review, verdict_due = 1, attempts = 0, due_at = 0 WHERE id = :id

-- name: nothing_to_judge
UPDATE item SET review = 'none' WHERE id = :id AND review = 'waiting'
  AND NOT EXISTS (SELECT 1 FROM output WHERE output.item = item.id)

-- name: same_results
-- Of one content under one recipe there is one result, in however many files.
SELECT other.id FROM item JOIN item AS other
  ON other.rule = item.rule AND substr(other.content, 1, 8) = substr(item.content, 1, 8)
  AND other.recipe_number = item.recipe_number AND other.content = item.content
WHERE item.id = :id AND other.id != item.id AND other.state = 'done' AND other.review NOT IN ('none', :review)

-- name: judged_alike
SELECT other.id, other.review FROM item JOIN item AS other INDEXED BY item_judged
  ON other.rule = item.rule AND other.content = item.content AND other.recipe_number = item.recipe_number
WHERE item.id = :id AND other.id != item.id AND other.review IN ('accepted', 'rejected') LIMIT 1

-- name: to_review
SELECT * FROM full_item WHERE review = 'waiting' AND state = 'done' AND (rule, id) > (:rule, :after)
ORDER BY rule, id LIMIT :limit

-- name: to_review_of_rule
SELECT * FROM full_item WHERE review = 'waiting' AND state = 'done' AND rule = :rule AND id > :after
ORDER BY id LIMIT :limit

-- name: superseded_to_review
SELECT * FROM full_item
WHERE rule = :rule AND review = 'waiting' AND state = 'done' AND current = 0 AND dir = :dir AND basename = :basename
ORDER BY id

-- name: count_to_review
SELECT rule, count(*) AS count FROM item WHERE review = 'waiting' AND state = 'done' GROUP BY rule

-- name: claim_verdicts
UPDATE item SET owner = :owner, generation = generation + 1
WHERE id IN (SELECT id FROM item WHERE verdict_due = 1 AND state = 'done'
             AND due_at <= :now AND owner IS NULL
             AND rule NOT IN (SELECT value FROM json_each(:paused))
             ORDER BY due_at, id LIMIT :limit)
RETURNING id

-- name: verdict_carried_out
-- Another one may have been given meanwhile.
UPDATE item SET verdict_due = CASE review WHEN :review THEN 0 ELSE 1 END, owner = NULL, attempts = 0, due_at = 0
WHERE id = :id AND owner = :owner AND generation = :generation

-- name: next_verdict
SELECT min(due_at) AS due_at FROM item WHERE verdict_due = 1 AND state = 'done'
  AND owner IS NULL AND rule NOT IN (SELECT value FROM json_each(:paused))

-- name: wake_all_verdicts
UPDATE item SET due_at = 0 WHERE verdict_due = 1 AND state = 'done' AND due_at > 0

-- name: verdicts_left
SELECT count(*) AS count FROM item WHERE verdict_due = 1 AND state = 'done'

-- name: folder_to_review
SELECT count(*) AS count FROM item INDEXED BY item_to_review
WHERE rule = :rule AND review = 'waiting' AND state = 'done' AND current = 1 AND ended_at >= :since
  AND (dir = :top OR substr(dir, 1, length(:top) + 1) = CAST(:top || X'2F' AS BLOB))
