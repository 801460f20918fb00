-- name: hosts
SELECT session, name, since, seen_until - :server_now AS left, throttled_until - :server_now AS throttled, facts,
       held, :server_now AS at,
       EXISTS (SELECT 1 FROM kv WHERE service = '' AND key = 'drained:' || host.name) AS drained
FROM host

-- name: living_hosts
SELECT session FROM host WHERE seen_until >= :server_now AND held = ''

-- name: hosts_named
SELECT session, process FROM host WHERE name = :name

-- name: enter_host
INSERT INTO host (session, name, process, since, seen_until)
VALUES (:session, :name, :process, :server_now, CASE WHEN CAST(:seconds AS REAL) IS NULL THEN 9e18 ELSE :server_now + CAST(:seconds AS REAL) END)
ON CONFLICT (session) DO UPDATE SET seen_until = excluded.seen_until, held = ''

-- name: see_host
UPDATE host SET seen_until = :server_now + CAST(:seconds AS REAL), facts = :facts,
                throttled_until = CASE WHEN CAST(:throttled AS REAL) > 0 THEN :server_now + CAST(:throttled AS REAL) ELSE 0 END
WHERE session = :session

-- name: hold_host
SELECT 1 FROM host WHERE session = :session AND held = '' AND seen_until >= :server_now + CAST(:seconds AS REAL)

-- name: hold_item_to_act
SELECT EXISTS (SELECT 1 FROM item WHERE id = :id AND owner = :owner AND generation = :generation) AS held,
       EXISTS (SELECT 1 FROM host WHERE session = :session AND seen_until >= :server_now + CAST(:seconds AS REAL)) AS seen

-- name: hold_batch_to_act
SELECT EXISTS (SELECT 1 FROM batch WHERE id = :id AND owner = :owner AND generation = :generation) AS held,
       EXISTS (SELECT 1 FROM host WHERE session = :session AND seen_until >= :server_now + CAST(:seconds AS REAL)) AS seen

-- name: hold_duty_to_act
SELECT EXISTS (SELECT 1 FROM duty WHERE name = :id AND owner = :owner AND generation = :generation) AS held,
       EXISTS (SELECT 1 FROM host WHERE session = :session AND seen_until >= :server_now + CAST(:seconds AS REAL)) AS seen

-- name: drop_host
DELETE FROM host WHERE session = :session

-- name: drop_other_hosts
DELETE FROM host WHERE session <> :session

-- name: drop_locked_hosts
-- Whoever works alone says so by a lock; who holds it too, or instead, knows that they are gone.
DELETE FROM host WHERE seen_until >= 9e18 AND session <> :session

-- name: dead_hosts
SELECT session FROM host WHERE seen_until < :server_now AND held = ''

-- name: host_is_gone
UPDATE host SET held = :held WHERE session = :session

-- name: drop_returned_hosts
DELETE FROM host WHERE held <> '' AND (
    name IN (SELECT name FROM host WHERE held = '')
    OR EXISTS (SELECT 1 FROM kv WHERE service = '' AND key = 'drained:' || host.name))

-- name: drop_gone_host
DELETE FROM host WHERE held <> '' AND name = :name

-- name: free_duties
UPDATE duty SET owner = NULL WHERE owner IS NOT NULL AND owner NOT IN (SELECT value FROM json_each(:living))

-- name: duties
SELECT name, owner, generation, text FROM duty

-- name: take_duty
INSERT INTO duty (name, owner, generation, text) VALUES (:name, :owner, 1, :text)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, generation = duty.generation + 1, text = excluded.text
WHERE duty.owner IS NULL
RETURNING generation

-- name: word_duty
UPDATE duty SET text = :text WHERE name = :name AND owner = :owner

-- name: give_up_duty
UPDATE duty SET owner = NULL WHERE name = :name AND owner = :owner

-- name: hold_duty
SELECT 1 FROM duty WHERE name = :id AND owner = :owner AND generation = :generation

-- name: foreign_incidents
SELECT scope, code, message, remedy, probe_at - :server_now AS wait FROM incident
WHERE owner <> :owner AND probe_at > 0

-- name: batches_in_hand
SELECT owner, count(*) AS count FROM batch WHERE owner IS NOT NULL GROUP BY owner

-- name: files_in_hand
SELECT owner, count(*) AS count FROM item WHERE owner IS NOT NULL GROUP BY owner
