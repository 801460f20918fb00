-- name: save_snapshot
INSERT INTO snapshot (id, rule, text, number)
VALUES (:id, :rule, :text, (SELECT coalesce(max(number), 0) + 1 FROM snapshot)) ON CONFLICT DO NOTHING

-- name: snapshot
SELECT text FROM snapshot WHERE id = :id

-- name: insert_batch
INSERT INTO batch (id, rule, snapshot, service, model, state, items, sealed_at, number)
VALUES (:id, :rule, :snapshot, :service, :model, 'sealed', :items, :now,
        (SELECT coalesce(max(number), 0) + 1 FROM batch))

-- name: batch
SELECT * FROM batch WHERE id = :id

-- name: batches_named
-- By the id that the service gave, or by the beginning of ours.
SELECT id FROM batch WHERE remote_id = :name
UNION SELECT id FROM batch WHERE id >= :name AND id < :end
LIMIT 2

-- name: claim_batches
UPDATE batch SET owner = :owner, generation = generation + 1
WHERE id IN (SELECT id FROM (
        SELECT batch.id, batch.rule, due_at, sealed_at,
               coalesce(held.count, 0) + row_number() OVER (PARTITION BY batch.rule ORDER BY due_at, sealed_at) AS turn
        FROM batch LEFT JOIN (SELECT rule, count(*) AS count FROM batch
                              WHERE state = :state AND owner = :owner GROUP BY rule) AS held ON held.rule = batch.rule
        WHERE state = :state AND service = :service AND due_at <= :now
              AND owner IS NULL
              AND batch.rule NOT IN (SELECT value FROM json_each(:paused))
              AND (state <> 'sealed' OR NOT EXISTS (SELECT 1 FROM pause WHERE pause.rule IN (batch.rule, '')))) AS due
    WHERE turn <= CASE WHEN rule IN (SELECT value FROM json_each(:probed)) THEN 1 ELSE :share END ORDER BY turn, due_at, sealed_at LIMIT :limit)
RETURNING *

-- name: claim_unsent_elsewhere
-- Sealed for another service, and nothing was ever sent there.
UPDATE batch SET owner = :owner, generation = generation + 1
WHERE state = 'sealed' AND service <> :service AND owner IS NULL
  AND NOT EXISTS (SELECT 1 FROM purchase WHERE purchase.batch = batch.id)
RETURNING *

-- name: hold_batch
SELECT 1 FROM batch WHERE id = :id AND owner = :owner AND generation = :generation

-- name: next_batch
SELECT min(due_at) AS due_at FROM batch WHERE state = :state AND service = :service AND owner IS NULL
  AND rule NOT IN (SELECT value FROM json_each(:paused))
  AND (state <> 'sealed' OR NOT EXISTS (SELECT 1 FROM pause WHERE pause.rule IN (batch.rule, '')))

-- name: release_batch
UPDATE batch SET owner = NULL, attempts = :attempts, due_at = :due_at, status = :status, failure_code = :failure_code,
                 failure = :failure, stalled_at = :stalled_at
WHERE id = :id AND owner = :owner AND generation = :generation

-- name: move_batch
UPDATE batch SET state = :after, failure_code = :failure_code, failure = :failure, ended_at = :ended_at, attempts = 0,
                 due_at = 0, owner = NULL
WHERE id = :id AND owner = :owner AND generation = :generation AND state = :before

-- name: batch_submitted
UPDATE batch SET remote_id = :remote_id, shape = :shape, submitted_at = :now, status = '', items = :items
WHERE id = :id AND owner = :owner AND generation = :generation

-- name: batch_ended
UPDATE batch SET cost = :cost, status = :status WHERE id = :id AND owner = :owner AND generation = :generation

-- name: wake_outdated_batches
UPDATE batch SET due_at = 0 WHERE rule = :rule AND state = 'sealed' AND snapshot != :snapshot

-- name: wake_all_batches
UPDATE batch SET due_at = 0 WHERE state IN ('sealed', 'submitted')

-- name: open_batches
SELECT * FROM batch WHERE state IN ('sealed', 'submitted', 'unknown') ORDER BY sealed_at LIMIT :limit

-- name: free_batch_leases
UPDATE batch SET owner = NULL, due_at = 0
WHERE owner IS NOT NULL AND owner NOT IN (SELECT value FROM json_each(:living))

-- name: insert_purchase
INSERT INTO purchase (key, batch, item, shape, body, intended_at, links_at)
VALUES (:key, :batch, :item, :shape, :body, :now, :links_at)

-- name: purchases_of_batch
SELECT * FROM purchase WHERE batch = :batch ORDER BY intended_at, key

-- name: close_purchase
UPDATE purchase SET outcome = :outcome, remote_id = :remote_id, body = NULL WHERE key = :key AND batch = :batch

-- name: doubt_purchase
UPDATE purchase SET ambiguous = 1 WHERE key = :key AND batch = :batch

-- name: doubt_left_purchases
UPDATE purchase SET ambiguous = 1 WHERE outcome = 'intended' AND unreceived = 0 AND batch NOT IN (
    SELECT id FROM batch WHERE owner IN (SELECT value FROM json_each(:living)))

-- name: place_item
UPDATE item SET position = :position WHERE id = :id AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: save_asset_kind
INSERT INTO asset_kind (service, mime) VALUES (:service, :mime) ON CONFLICT DO NOTHING

-- name: save_asset
INSERT INTO asset (content, kind, asset_id, url, confirmed_at)
SELECT unhex(:content_hash), number, :asset_id, :url, :now FROM asset_kind WHERE service = :service AND mime = :mime
ON CONFLICT (content, kind) DO UPDATE SET asset_id = excluded.asset_id, url = excluded.url, confirmed_at = excluded.confirmed_at

-- name: asset
SELECT asset_id, url, confirmed_at FROM asset
WHERE content = unhex(:content_hash)
  AND kind = (SELECT number FROM asset_kind WHERE service = :service AND mime = :mime)

-- name: save_value
INSERT INTO kv (service, key, value) VALUES (:service, :key, :value)
ON CONFLICT (service, key) DO UPDATE SET value = excluded.value

-- name: drop_value
DELETE FROM kv WHERE service = :service AND key = :key

-- name: age_pricing
UPDATE kv SET value = json_set(value, '$.at', :at) WHERE key = :key

-- name: value
SELECT value FROM kv WHERE service = :service AND key = :key

-- name: raise_incident
INSERT INTO incident (scope, code, message, remedy, since, last, owner, probe_at)
VALUES (:scope, :code, :message, :remedy, :now, :now, :owner, :probe_at)
ON CONFLICT (scope) DO UPDATE SET code = excluded.code, message = excluded.message, remedy = excluded.remedy, last = excluded.last,
                          owner = excluded.owner, probe_at = excluded.probe_at, count = incident.count + 1

-- name: incident_of
SELECT * FROM incident WHERE scope = :scope

-- name: clear_incident
DELETE FROM incident WHERE scope = :scope AND owner = :owner

-- name: incidents
SELECT scope, code, message, remedy, since, last, count FROM incident ORDER BY since

-- name: output_at
SELECT output.*, lower(hex(output.content)) AS content_hash, item.rule, item.dir, item.basename FROM output JOIN item ON item.id = output.item WHERE output.key = :key
ORDER BY output.path = :path DESC LIMIT 1

-- name: outputs_of
SELECT output.*, lower(hex(output.content)) AS content_hash FROM output WHERE item = :item ORDER BY position

-- name: outputs_of_items
SELECT output.*, lower(hex(output.content)) AS content_hash FROM output
WHERE item IN (SELECT CAST(value AS INTEGER) FROM json_each(:items)) ORDER BY item, position

-- name: reserve_output_again
UPDATE output SET item = :item, position = :position, content = unhex(:content_hash), size = :size, place = :place,
                  root = :root, relative = :relative, edited = 0, written_at = NULL,
                  earlier = CASE content WHEN unhex(:content_hash) THEN earlier
                                 ELSE trim(earlier || ' ' || lower(hex(content))) END
WHERE key = :key AND path = CAST(CAST(:root AS BLOB) || x'2f' || CAST(:relative AS BLOB) AS BLOB)

-- name: reserve_output
INSERT INTO output (root, relative, key, item, position, content, size, place)
VALUES (:root, :relative, :key, :item, :position, unhex(:content_hash), :size, :place)

-- name: output_written
UPDATE output SET written_at = :now, earlier = '' WHERE key = :key AND path = :path AND item = :item

-- name: leave_edited
UPDATE output SET edited = 1 WHERE key = :key AND path = :path AND item = :item

-- name: forget_output
DELETE FROM output WHERE key = :key AND path = :path RETURNING item

-- name: incidents_of
-- One that goes with a pause ends with that.
SELECT scope, owner FROM incident WHERE owner = :owner
  AND scope NOT IN (SELECT 'results:' || rule FROM pause WHERE kind <> 'operator')

-- name: incidents_left
SELECT scope, owner FROM incident WHERE owner NOT IN (SELECT value FROM json_each(:living))
  AND scope NOT IN (SELECT 'results:' || rule FROM pause WHERE kind <> 'operator')
