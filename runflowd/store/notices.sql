-- A row without a channel is what is remembered of something that was told: an incident's story, whose `over_at` is
-- when it counts as over, NULL while it is open; or the mark of a threshold that was reached.

-- name: story
SELECT * FROM notice WHERE kind = :kind AND scope = :scope AND channel IS NULL

-- name: save_story
INSERT INTO notice (kind, scope, at, body) VALUES (:kind, :scope, :now, :body)

-- name: change_story
UPDATE notice SET body = :body, at = :at, over_at = NULL WHERE id = :id

-- name: drop_notice
DELETE FROM notice WHERE id = :id

-- name: story_ended
UPDATE notice SET over_at = :over_at
WHERE kind = 'incident' AND scope = :scope AND channel IS NULL AND over_at IS NULL

-- name: stories_over
SELECT * FROM notice WHERE kind = 'incident' AND channel IS NULL AND over_at <= :now ORDER BY id

-- name: save_notice
INSERT INTO notice (kind, scope, at, body, channel, due_at) VALUES (:kind, :scope, :now, :body, :channel, :due_at)

-- name: unsent_notices
SELECT * FROM notice WHERE kind = 'incident' AND scope = :scope AND channel IS NOT NULL AND attempts = 0 ORDER BY id

-- name: next_notice
-- Messages keep their order; what an incident has to say waits while it is away.
SELECT * FROM notice WHERE channel = :channel AND (due_at <= :now OR attempts > 0)
  AND (attempts > 0 OR kind <> 'incident' OR NOT EXISTS (
       SELECT 1 FROM notice AS story WHERE story.kind = 'incident' AND story.scope = notice.scope
                                       AND story.channel IS NULL AND story.over_at IS NOT NULL))
ORDER BY id LIMIT 1

-- name: notice_failed
UPDATE notice SET attempts = attempts + 1, due_at = :due_at WHERE id = :id

-- name: give_up_notices
DELETE FROM notice WHERE channel = :channel AND attempts > 0 AND (at <= :before OR attempts >= :tries)

-- name: waiting_notices
SELECT count(*) AS count FROM notice WHERE channel = :channel

-- name: drop_stray_notices
DELETE FROM notice WHERE channel IS NOT NULL AND channel NOT IN (SELECT value FROM json_each(:channels))

-- name: failed_since
SELECT count(*) AS count FROM item_rule CROSS JOIN item ON item.rule = item_rule.rule
WHERE item.state = 'failed' AND item.current = 1 AND item.ended_at >= :since

-- name: in_doubt
SELECT count(*) AS count, max(coalesce(item.ended_at, 0)) AS newest FROM item_rule CROSS JOIN item ON item.rule = item_rule.rule
WHERE item.state = 'outcome_unknown' AND item.current = 1

-- name: done_since
SELECT count(*) AS count FROM item WHERE ended_at >= :since AND state = 'done' AND current = 1

-- name: charged_since
SELECT currency, amount, count(*) AS count FROM ledger WHERE at >= :since GROUP BY currency, amount

-- name: busy_folders
-- The folders right below the watched ones that have files on their way, or whose files ended since then. `||` makes
-- text of what it joins, which counts letters, not bytes.
WITH found AS (
    SELECT item.rule, item.dir, 1 AS open FROM item_rule CROSS JOIN item ON item.rule = item_rule.rule
    WHERE item.state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading') AND item.current = 1
    UNION ALL
    SELECT rule, dir, 0 FROM item
    WHERE ended_at >= :since AND state IN ('done', 'failed', 'outcome_unknown') AND current = 1)
SELECT rule, substr(dir, 1, instr(CAST(dir || X'2F' AS BLOB), X'2F') - 1) AS top, max(open) AS open
FROM found WHERE dir <> X'' GROUP BY rule, top

-- name: folders_begun
SELECT id, scope, at, over_at FROM notice WHERE kind = 'folder' AND channel IS NULL

-- name: folder_ended
SELECT state, count(*) AS count FROM item INDEXED BY item_ended
WHERE rule = :rule AND current = 1 AND ended_at >= :since AND state IN ('done', 'failed', 'outcome_unknown')
  AND (dir = :top OR substr(dir, 1, length(:top) + 1) = CAST(:top || X'2F' AS BLOB))
GROUP BY state

-- name: set_quiet
UPDATE notice SET over_at = :over_at WHERE id = :id
