-- name: older_items
-- An older content of a file is on record alone, save while it is bought and made, or a person has to judge it.
SELECT * FROM full_item
WHERE id < :before AND id >= :from
  AND (current = 1 OR state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading'))
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id DESC LIMIT :limit

-- name: older_of_state
SELECT * FROM full_item
WHERE rule = :rule AND state = :state AND id < :before AND id >= :from
  AND (current = 1 OR state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading'))
  AND (CAST(:settled AS INTEGER) = 0 OR review <> 'waiting')
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id DESC LIMIT :limit

-- name: older_of_day
SELECT * FROM full_item
WHERE ended_at >= :since AND ended_at < :until AND (ended_at, id) < (:ended, :before) AND current = 1
  AND (CAST(:settled AS INTEGER) = 0 OR review <> 'waiting')
  AND (CAST(:rule AS TEXT) IS NULL OR rule = :rule) AND state IN (SELECT value FROM json_each(:states))
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY ended_at DESC, id DESC LIMIT :limit

-- name: newer_items
SELECT * FROM full_item
WHERE id > :after AND id <= :until
  AND (current = 1 OR state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading'))
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id LIMIT 1

-- name: newer_of_state
SELECT * FROM full_item
WHERE rule = :rule AND state = :state AND id > :after AND id <= :until
  AND (current = 1 OR state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading'))
  AND (CAST(:settled AS INTEGER) = 0 OR review <> 'waiting')
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id LIMIT 1

-- name: newer_of_day
SELECT * FROM full_item
WHERE ended_at >= :since AND ended_at < :until AND (ended_at, id) > (:ended, :after) AND current = 1
  AND (CAST(:settled AS INTEGER) = 0 OR review <> 'waiting')
  AND (CAST(:rule AS TEXT) IS NULL OR rule = :rule) AND state IN (SELECT value FROM json_each(:states))
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY ended_at, id LIMIT 1

-- name: older_to_review
SELECT * FROM full_item
WHERE rule = :rule AND review = 'waiting' AND state = 'done' AND id < :beside
  AND ended_at >= :since AND ended_at < :until
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id DESC LIMIT :limit

-- name: newer_to_review
SELECT * FROM full_item
WHERE rule = :rule AND review = 'waiting' AND state = 'done' AND id > :beside
  AND ended_at >= :since AND ended_at < :until
  AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id LIMIT :limit

-- name: older_of_batch
SELECT * FROM full_item
WHERE batch_number = :number AND id < :beside AND state IN (SELECT value FROM json_each(:states))
  AND (CAST(:settled AS INTEGER) = 0 OR review <> 'waiting')
  AND (CAST(:rule AS TEXT) IS NULL OR rule = :rule) AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id DESC LIMIT :limit

-- name: newer_of_batch
SELECT * FROM full_item
WHERE batch_number = :number AND id > :beside AND state IN (SELECT value FROM json_each(:states))
  AND (CAST(:settled AS INTEGER) = 0 OR review <> 'waiting')
  AND (CAST(:rule AS TEXT) IS NULL OR rule = :rule) AND (:folder = x'' OR dir = :folder OR (dir >= :first AND dir < :end))
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id LIMIT :limit
