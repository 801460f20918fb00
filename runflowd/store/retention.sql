-- name: steps_after
SELECT id, at FROM history WHERE id > :after ORDER BY id LIMIT :limit

-- name: drop_steps
DELETE FROM history WHERE id > :after AND id <= :until
  AND EXISTS (SELECT 1 FROM item WHERE item.id = history.item AND item.state = 'done')

-- name: stories_after
SELECT item FROM packed_story WHERE item > :after ORDER BY item LIMIT :limit

-- name: drop_stories
DELETE FROM packed_story WHERE item > :after AND item <= :until
  AND EXISTS (SELECT 1 FROM item WHERE item.id = packed_story.item AND item.state = 'done' AND item.ended_at < :before)

-- name: uploads_after
SELECT lower(hex(content)) AS content_hash FROM asset WHERE content > unhex(:after) ORDER BY content LIMIT :limit

-- name: drop_uploads
DELETE FROM asset WHERE content > unhex(:after) AND content <= unhex(:until) AND confirmed_at < :before
