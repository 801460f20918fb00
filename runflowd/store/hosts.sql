-- name: living_hosts
SELECT session FROM host WHERE seen_until >= :server_now

-- name: enter_host
INSERT INTO host (session, name, since, seen_until)
VALUES (:session, :name, :server_now, CASE WHEN CAST(:seconds AS REAL) IS NULL THEN 9e18 ELSE :server_now + CAST(:seconds AS REAL) END)
ON CONFLICT (session) DO UPDATE SET seen_until = excluded.seen_until

-- name: hold_host
SELECT 1 FROM host WHERE session = :session AND seen_until >= :server_now + CAST(:seconds AS REAL)

-- name: drop_other_hosts
DELETE FROM host WHERE session <> :session

-- name: drop_locked_hosts
-- Whoever works alone says so by a lock; who holds it too, or instead, knows that they are gone.
DELETE FROM host WHERE seen_until >= 9e18 AND session <> :session

-- name: drop_dead_hosts
DELETE FROM host WHERE seen_until < :server_now

-- name: free_duties
UPDATE duty SET owner = NULL WHERE owner IS NOT NULL AND owner NOT IN (SELECT value FROM json_each(:living))
