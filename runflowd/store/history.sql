-- name: record_step
INSERT INTO history (item, at, state, code, detail)
SELECT item.id, :now, item.state, :code, :detail FROM item
WHERE item.id = :item AND NOT EXISTS (
    SELECT 1 FROM (SELECT * FROM history WHERE history.item = :item ORDER BY history.id DESC LIMIT 1) AS last
    WHERE last.state = item.state AND last.code = :code AND last.detail = :detail)

-- name: items_held
SELECT id FROM item WHERE batch_number = (SELECT number FROM batch WHERE id = :batch) AND state IN ('queued', 'submitted')

-- name: steps
SELECT at, state, code, detail FROM history WHERE item = :item ORDER BY id

-- name: stories_to_bound
-- Those of these items that are long, or whose beginning is packed.
SELECT id AS item FROM item
WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(:items))
  AND (EXISTS (SELECT 1 FROM packed_story WHERE packed_story.item = item.id)
       OR (SELECT count(*) FROM history WHERE history.item = item.id) > :steps)

-- name: steps_to_pack
-- Of those of these items that nothing is packed of.
SELECT item, at, state, code, detail FROM history
WHERE item IN (SELECT CAST(value AS INTEGER) FROM json_each(:items))
  AND NOT EXISTS (SELECT 1 FROM packed_story WHERE packed_story.item = history.item) ORDER BY item, id

-- name: step_count
SELECT (SELECT count(*) FROM history WHERE item = :item) AS count,
       (SELECT steps FROM packed_story WHERE item = :item) AS steps

-- name: packed_steps
SELECT steps FROM packed_story WHERE item = :item

-- name: pack_steps
INSERT INTO packed_story (item, steps) VALUES (:item, :steps)

-- name: drop_steps_of
DELETE FROM history WHERE item = :item

-- name: middle_steps
SELECT id, state FROM history WHERE item = :item ORDER BY id LIMIT :limit OFFSET :beginning

-- name: leave_out_steps
DELETE FROM history WHERE item = :item AND id > :begin AND id <= :end

-- name: mark_left_out
UPDATE history SET detail = detail || :mark WHERE id = :id AND replace(detail, :mark, '') = detail

-- name: versions_of
SELECT * FROM full_item
WHERE id > :after AND id <= :until AND dir = :dir AND basename = :basename AND (CAST(:rule AS TEXT) IS NULL OR rule = :rule)
ORDER BY id LIMIT :limit

-- name: newest_item
SELECT coalesce(max(id), 0) AS id FROM item
