-- name: known_in_folder
SELECT id, basename, size, mtime_ns, inode, state, absent_at IS NULL AS present,
       rescan_requested = 1 OR rerun_requested = 1 AS requested
FROM item WHERE rule = :rule AND dir = :dir AND current = 1

-- name: stats_in_folder
-- At rest is what a look need not think about: it is there, nobody asked for it, and no rule can make it go by itself.
SELECT basename, size, mtime_ns, inode,
       absent_at IS NULL AND rescan_requested = 0 AND rerun_requested = 0 AND state NOT IN ('waiting', 'failed') AS rests
FROM item WHERE rule = :rule AND dir = :dir AND current = 1

-- name: item_at
SELECT * FROM full_item WHERE rule = :rule AND dir = :dir AND basename = :basename AND current = 1

-- name: item_by_id
SELECT * FROM full_item WHERE id = :id

-- name: items_by_id
SELECT * FROM full_item WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(:ids))

-- name: items_of_batch
SELECT * FROM full_item WHERE batch_number = (SELECT number FROM batch WHERE id = :batch) ORDER BY position

-- name: on_record
-- A file of which anything is known: what stands at its path, or was found with its content, or was made with it.
SELECT 1 AS found WHERE EXISTS (SELECT 1 FROM item WHERE rule = :rule AND dir = :dir AND basename = :basename AND current = 1)
OR EXISTS (SELECT 1 FROM item WHERE rule = :rule AND substr(content, 1, 8) = substr(unhex(:content_hash), 1, 8)
           AND content IS NOT NULL AND +content = unhex(:content_hash))
OR EXISTS (SELECT 1 FROM output
           WHERE substr(content, 1, 8) = substr(unhex(:content_hash), 1, 8) AND +content = unhex(:content_hash))

-- name: original
-- State by state, since of one content there may be tens of thousands: a done one, else the first. One that only shares
-- another's doubt was never bought: it is that other that counts. The plus keeps SQLite from comparing the beginning of
-- the hash that is asked for with themselves, where the index is meant.
WITH kinds(state) AS (VALUES ('ready'), ('queued'), ('submitted'), ('downloading'))
SELECT id, state, dir, basename FROM item WHERE id = coalesce(
    (SELECT id FROM item WHERE rule = :rule AND substr(content, 1, 8) = substr(unhex(:content_hash), 1, 8)
     AND recipe_number = (SELECT number FROM recipe WHERE hash = :recipe_hash) AND content IS NOT NULL
     AND +content = unhex(:content_hash) AND id != :id
     AND state = 'done' ORDER BY id LIMIT 1),
    (SELECT min(first) FROM (
        SELECT (SELECT id FROM item WHERE rule = :rule AND substr(content, 1, 8) = substr(unhex(:content_hash), 1, 8)
     AND recipe_number = (SELECT number FROM recipe WHERE hash = :recipe_hash) AND content IS NOT NULL
     AND +content = unhex(:content_hash) AND id != :id
                AND item.state = kinds.state ORDER BY id LIMIT 1) AS first FROM kinds
        UNION ALL
        SELECT (SELECT id FROM item WHERE rule = :rule AND substr(content, 1, 8) = substr(unhex(:content_hash), 1, 8)
     AND recipe_number = (SELECT number FROM recipe WHERE hash = :recipe_hash) AND content IS NOT NULL
     AND +content = unhex(:content_hash) AND id != :id
                AND state = 'outcome_unknown' AND (batch_number IS NOT NULL OR duplicate_of IS NULL) ORDER BY id LIMIT 1)) AS found))

-- name: save_recipe
INSERT INTO recipe (hash, input) VALUES (:recipe_hash, :input) ON CONFLICT DO NOTHING

-- name: insert_item
INSERT INTO item (rule, dir, basename, size, mtime_ns, inode, state, content, mime, recipe_number, snapshot_number, reference,
                  duplicate_of, failure_code, failure, note_state, found_at, ready_at, ended_at, pixels, settings, settings_of)
VALUES (:rule, :dir, :basename, :size, :mtime_ns, :inode, :state, unhex(:content_hash), :mime, (SELECT number FROM recipe WHERE hash = :recipe_hash),
        (SELECT number FROM snapshot WHERE id = :snapshot), unhex(:client_ref),
        :duplicate_of, :failure_code, :failure, :note_state, :now, :ready_at, :ended_at, :pixels, :settings, :settings_of)
RETURNING id

-- name: replace_item
-- What is only worded anew is not read again, and has the pixels that it had.
UPDATE item
SET pixels = CASE WHEN content = unhex(:content_hash) THEN coalesce(:pixels, pixels) ELSE :pixels END, size = :size, mtime_ns = :mtime_ns, inode = :inode, absent_at = NULL, left_behind = 0, state = :state, content = unhex(:content_hash), mime = :mime,
    recipe_number = (SELECT number FROM recipe WHERE hash = :recipe_hash),
    snapshot_number = (SELECT number FROM snapshot WHERE id = :snapshot), reference = unhex(:client_ref), duplicate_of = :duplicate_of,
    batch_number = NULL, position = NULL, run_id = NULL, cost = NULL, hosted = NULL, estimate_low = NULL,
    estimate_high = NULL, period = NULL, failure_code = :failure_code,
    failure = :failure, attempts = 0, resent = 0, bought_at = NULL, due_at = 0, ready_at = :ready_at, ended_at = :ended_at,
    note_state = CASE note_state WHEN 'none' THEN 'none' ELSE 'outdated' END, rescan_requested = 0, rerun_requested = 0,
    source_state = 'kept',
    settings = :settings, settings_of = :settings_of, rerun_settings = NULL,
    approved = CASE WHEN content = unhex(:content_hash)
        AND recipe_number = (SELECT number FROM recipe WHERE hash = :recipe_hash) THEN approved ELSE 0 END,
    owner = NULL, generation = generation + 1
WHERE id = :id

-- name: touch_item
UPDATE item SET size = :size, mtime_ns = :mtime_ns, inode = :inode, absent_at = NULL, left_behind = 0, rescan_requested = 0,
    rerun_requested = 0, rerun_settings = NULL, source_state = CASE source_state WHEN 'needed' THEN 'needed' ELSE 'kept' END
WHERE id = :id

-- name: save_inode
UPDATE item SET inode = :inode WHERE id = :id

-- name: supersede_item
-- Whoever delivers it goes on; whoever was to tell of its failure does not.
UPDATE item SET current = 0, rescan_requested = 0, rerun_requested = 0, rerun_settings = NULL,
                generation = CASE state WHEN 'downloading' THEN generation ELSE generation + 1 END,
                owner = CASE state WHEN 'downloading' THEN owner END
WHERE id = :id

-- name: requested_folders
SELECT DISTINCT rule, dir FROM item
WHERE (rescan_requested = 1 OR rerun_requested = 1) AND current = 1 AND absent_at IS NULL LIMIT :limit

-- name: troubled_by_reference
SELECT * FROM full_item WHERE reference = unhex(:reference) AND state IN ('failed', 'outcome_unknown') AND current = 1

-- name: request_rescan
UPDATE item SET rescan_requested = 1 WHERE id = :id

-- name: request_rescan_of_skipped
UPDATE item SET rescan_requested = 1 WHERE rule = :rule AND state = 'skipped' AND failure_code = :code AND current = 1

-- name: request_rerun
UPDATE item SET rerun_requested = 1, rerun_settings = settings
WHERE id = :id AND reference = unhex(:reference) AND state = 'done' AND current = 1 AND absent_at IS NULL

-- name: request_rerun_with
UPDATE item SET rerun_requested = 1, rerun_settings = :settings
WHERE id = :id AND reference = unhex(:reference) AND state IN ('done', 'failed') AND current = 1 AND absent_at IS NULL
  AND content IS NOT NULL

-- name: settings_of_file
-- Of the file under the name that it had before.
SELECT settings FROM item INDEXED BY item_file
WHERE state = 'done' AND mtime_ns = :mtime_ns AND inode = :inode AND size = :size AND rule = :rule
  AND content = unhex(:content_hash) AND settings IS NOT NULL
ORDER BY id DESC LIMIT 1

-- name: fetch_again
UPDATE item SET state = 'downloading', attempts = 0, due_at = 0, owner = NULL, failure_code = '', failure = '',
    source_state = CASE source_state WHEN 'disposed' THEN 'disposed' ELSE 'needed' END
WHERE id = :id AND reference = unhex(:reference) AND state = 'done' AND current = 1

-- name: mark_present
UPDATE item SET absent_at = NULL, left_behind = 0,
    source_state = CASE source_state WHEN 'needed' THEN 'needed' ELSE 'kept' END WHERE id = :id

-- name: mark_absent
UPDATE item SET absent_at = coalesce(absent_at, :now) WHERE id = :id

-- name: delete_unbought
DELETE FROM item WHERE id = :id AND state IN ('waiting', 'ready', 'failed', 'skipped')
  AND batch_number IS NULL AND receipt_state = 'none' AND NOT EXISTS (SELECT 1 FROM item AS other WHERE other.duplicate_of = item.id)

-- name: folders_below
-- From folder to folder by the index, and in each as far as the first file that is there.
WITH RECURSIVE names(dir) AS (
    SELECT (SELECT dir FROM item WHERE rule = :rule AND current = 1 AND dir > :after ORDER BY dir LIMIT 1)
    UNION ALL
    SELECT (SELECT dir FROM item WHERE rule = :rule AND current = 1 AND dir > names.dir ORDER BY dir LIMIT 1)
    FROM names WHERE dir IS NOT NULL)
SELECT dir FROM names
WHERE dir IS NOT NULL AND EXISTS (SELECT 1 FROM item WHERE item.rule = :rule AND item.dir = names.dir AND item.current = 1
                                  AND item.absent_at IS NULL)
LIMIT :limit

-- name: ready_groups
-- A snapshot is the text of one rule, which may have got another name since: then all of its items have.
SELECT snapshot.id AS snapshot, ready.rule, count, bytes FROM (SELECT snapshot_number, min(rule) AS rule, count(*) AS count, sum(size) AS bytes FROM item
               WHERE state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE' GROUP BY snapshot_number) AS ready
JOIN snapshot ON snapshot.number = ready.snapshot_number
WHERE NOT EXISTS (SELECT 1 FROM pause WHERE pause.rule IN (ready.rule, ''))

-- name: ready_of_snapshot
SELECT id, size FROM item WHERE state = 'ready' AND failure_code <> 'FILE_TOO_EXPENSIVE' AND snapshot_number = (SELECT number FROM snapshot WHERE id = :snapshot)
ORDER BY id LIMIT :limit

-- name: ready_of_rule
SELECT * FROM full_item WHERE rule = :rule AND state = 'ready' AND snapshot != :snapshot ORDER BY id LIMIT :limit

-- name: duplicates_of_ready
SELECT item.* FROM full_item AS item JOIN item AS original ON original.id = item.duplicate_of
WHERE item.rule = :rule AND item.state = 'duplicate' AND item.snapshot != :snapshot AND original.state = 'ready'
ORDER BY item.id LIMIT :limit

-- name: refused_of_rule
-- Refused by the service, whole or by itself and at no cost: of what was bought, the batch or the run is known, and of a duplicate, that of its original.
SELECT * FROM full_item WHERE rule = :rule AND state = 'failed' AND current = 1 AND absent_at IS NULL AND content IS NOT NULL
  AND (batch_number IS NULL AND run_id IS NULL OR failure_code = 'INPUT_VALIDATION_FAILED' AND CAST(coalesce(cost, '0') AS REAL) = 0
       AND EXISTS (SELECT 1 FROM batch WHERE batch.number = full_item.batch_number AND batch.state = 'ended'))
  AND duplicate_of IS NULL AND failure_code NOT IN ('UPLOAD_REFUSED', 'TOO_LARGE')
  AND snapshot != :snapshot AND id > :after
ORDER BY id LIMIT :limit

-- name: result_of_snapshot
SELECT 1 FROM item WHERE rule = :rule AND state IN ('downloading', 'done') AND snapshot_number = (SELECT number FROM snapshot WHERE id = :snapshot) LIMIT 1

-- name: put_in_batch
UPDATE item SET state = 'queued', batch_number = (SELECT number FROM batch WHERE id = :batch), position = :position, attempts = 0, due_at = 0 WHERE id = :id AND state = 'ready'

-- name: reserve_in_batch
-- The same with what it may cost. What is sealed once needs no approval any more.
UPDATE item SET state = 'queued', batch_number = (SELECT number FROM batch WHERE id = :batch), position = :position, attempts = 0, due_at = 0,
                estimate_low = :low, estimate_high = :high, currency = :currency, period = :period, approved = 1
WHERE id = :id AND state = 'ready'

-- name: move_item
-- A result that is fetched again was done, and paid for, when it came first: the spend of today is none of it.
UPDATE item SET state = :after, failure_code = :failure_code, failure = :failure,
                ended_at = CASE :after WHEN 'done' THEN coalesce(ended_at, :ended_at) ELSE :ended_at END,
                attempts = 0, due_at = 0, owner = NULL
WHERE id = :id AND state = :before AND (CAST(:batch AS TEXT) IS NULL OR batch_number = (SELECT number FROM batch WHERE id = :batch))

-- name: move_bought_item
-- The same with the moment at which it was bought, which what this machine does has not.
UPDATE item SET state = :after, failure_code = :failure_code, failure = :failure, ended_at = :ended_at,
                attempts = 0, due_at = 0, owner = NULL,
                bought_at = CASE (SELECT service FROM batch WHERE id = :batch) WHEN 'local' THEN bought_at ELSE coalesce(bought_at, :now) END
WHERE id = :id AND state = :before AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: move_paid_item
-- The same with what the service answered.
UPDATE item SET state = :after, failure_code = :failure_code, failure = :failure, ended_at = :ended_at,
                attempts = 0, due_at = 0, owner = NULL,
                run_id = coalesce(:run_id, run_id), cost = :cost, hosted = :hosted, currency = :currency
WHERE id = :id AND state = :before AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: move_delivered_item
-- The same with how its note, its result and its source stand.
UPDATE item SET state = :after, failure_code = :failure_code, failure = :failure, ended_at = coalesce(ended_at, :ended_at),
                attempts = 0, due_at = 0, owner = NULL, note_state = :note_state, review = :review,
                source_state = CASE source_state WHEN 'needed' THEN 'kept' ELSE source_state END
WHERE id = :id AND state = :before AND owner = :owner AND generation = :generation

-- name: leave_batch
UPDATE item SET batch_number = NULL, position = NULL WHERE id = :id AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: set_run
UPDATE item SET run_id = :run_id WHERE id = :id AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: set_result
UPDATE item SET run_id = coalesce(:run_id, run_id), cost = :cost, hosted = :hosted, currency = :currency
WHERE id = :id AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: still_to_deliver
SELECT 1 FROM item WHERE id = :id AND (state = 'downloading' OR verdict_due = 1)

-- name: set_source_state
UPDATE item SET source_state = :source_state WHERE id = :id

-- name: save_answer
INSERT INTO answer (item, output) VALUES (:item, :output) ON CONFLICT (item) DO UPDATE SET output = excluded.output

-- name: drop_answer
DELETE FROM answer WHERE item = :item

-- name: hold_item
SELECT 1 FROM item WHERE id = :id AND owner = :owner AND generation = :generation

-- name: rules_to_deliver
SELECT rule FROM item_rule
WHERE EXISTS (SELECT 1 FROM item WHERE item.rule = item_rule.rule AND state = 'downloading' AND due_at <= :now)
  AND rule NOT IN (SELECT value FROM json_each(:paused))

-- name: claim_deliveries
UPDATE item SET owner = :owner, generation = generation + 1
WHERE id IN (SELECT id FROM item WHERE state = 'downloading' AND rule = :rule AND due_at <= :now
             AND owner IS NULL
             ORDER BY due_at, id LIMIT :limit)
RETURNING id

-- name: claim_notes
UPDATE item SET owner = :owner, generation = generation + 1, note_state = 'outdated'
WHERE id IN (SELECT id FROM item WHERE state IN ('failed', 'outcome_unknown', 'waiting') AND note_state <> 'written'
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1 AND due_at <= :now
             AND owner IS NULL
             AND rule NOT IN (SELECT value FROM json_each(:paused))
             ORDER BY due_at, id LIMIT :limit)
RETURNING id

-- name: note_stands
UPDATE item SET note_state = 'written', owner = NULL WHERE id = :id AND owner = :owner AND generation = :generation

-- name: note_outdated
UPDATE item SET note_state = 'outdated' WHERE id = :id

-- name: absent_done
SELECT * FROM full_item WHERE rule = :rule AND absent_at IS NOT NULL AND state = 'done' AND current = 1
  AND left_behind = 0 AND absent_at < :before
  AND id > :after
  AND EXISTS (SELECT 1 FROM output WHERE output.item = full_item.id)
ORDER BY id LIMIT :limit

-- name: release_item
UPDATE item SET owner = NULL, attempts = :attempts, due_at = :due_at, failure_code = :failure_code, failure = :failure
WHERE id = :id AND owner = :owner AND generation = :generation

-- name: next_delivery
SELECT min(due_at) AS due_at FROM (
    SELECT (SELECT due_at FROM item WHERE item.rule = item_rule.rule AND state = 'downloading' AND owner IS NULL
            ORDER BY due_at LIMIT 1) AS due_at
    FROM item_rule WHERE rule NOT IN (SELECT value FROM json_each(:paused))
    UNION ALL
    SELECT min(due_at) FROM item WHERE state IN ('failed', 'outcome_unknown', 'waiting') AND note_state <> 'written'
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1 AND owner IS NULL
      AND rule NOT IN (SELECT value FROM json_each(:paused))) AS due

-- name: wake_all_deliveries
UPDATE item SET due_at = 0 WHERE state = 'downloading'

-- name: wake_all_notes
UPDATE item SET due_at = 0 WHERE state IN ('failed', 'outcome_unknown', 'waiting') AND note_state <> 'written'
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1 AND due_at > 0

-- name: duplicates_of
SELECT id, duplicate_of FROM item
WHERE state = 'duplicate' AND duplicate_of IN (SELECT CAST(value AS INTEGER) FROM json_each(:ids))
ORDER BY duplicate_of, id

-- name: another_on_its_way
SELECT other.id FROM item JOIN item AS other
  ON other.rule = item.rule AND substr(other.content, 1, 8) = substr(item.content, 1, 8)
  AND other.recipe_number = item.recipe_number AND other.content = item.content
WHERE item.id = :id AND other.id != :besides AND other.state IN ('ready', 'queued', 'submitted', 'downloading')
LIMIT 1

-- name: set_original
UPDATE item SET duplicate_of = :duplicate_of WHERE id = :id

-- name: count_states
-- From rule to rule and from state to state by the index, counting in each: half the time of a GROUP BY.
WITH RECURSIVE kinds(rule, state) AS (
    SELECT rule, (SELECT min(state) FROM item WHERE item.rule = item_rule.rule) FROM item_rule
    UNION ALL
    SELECT rule, (SELECT min(state) FROM item WHERE item.rule = kinds.rule AND item.state > kinds.state) FROM kinds
    WHERE state IS NOT NULL)
SELECT rule, state, (SELECT count(*) FROM item WHERE item.rule = kinds.rule AND item.state = kinds.state) AS count
FROM kinds WHERE state IS NOT NULL

-- name: count_superseded
-- Older contents that no list of files has: neither in flight, nor with a result that waits for a verdict.
SELECT rule, state, count(*) AS count FROM item
WHERE current = 0 AND state NOT IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading')
  AND (state <> 'done' OR review <> 'waiting')
GROUP BY rule, state

-- name: count_in_flight
SELECT count(*) AS count FROM item_rule CROSS JOIN item ON item.rule = item_rule.rule
WHERE item.state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading')

-- name: list_items
-- An older content of a file is on record alone, save while it is bought and made, or a person has to judge it.
SELECT * FROM full_item
WHERE id > :after AND id <= :until
  AND (current = 1 OR state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading') OR (state = 'done' AND review = 'waiting'))
  AND instr(CAST(dir || x'2f' || basename AS BLOB), :literal) > 0
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id LIMIT :limit

-- name: list_of_state
SELECT * FROM full_item
WHERE rule = :rule AND state = :state AND id > :after AND id <= :until
  AND (current = 1 OR state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading') OR (state = 'done' AND review = 'waiting'))
  AND instr(CAST(dir || x'2f' || basename AS BLOB), :literal) > 0
  AND (CAST(:name AS TEXT) = '' OR name_matches(basename, :name))
ORDER BY id LIMIT :limit

-- name: list_of_batch
SELECT * FROM full_item
WHERE batch_number = (SELECT number FROM batch WHERE id = :batch) AND id > :after
  AND (current = 1 OR state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading') OR (state = 'done' AND review = 'waiting'))
ORDER BY id

-- name: list_below
SELECT * FROM (
  SELECT * FROM full_item WHERE rule = :rule AND current = 1 AND dir >= :first AND dir < :end AND id > :after
  UNION ALL
  SELECT * FROM full_item WHERE rule = :rule AND current = 0 AND dir >= :first AND dir < :end AND id > :after
    AND (state IN ('ready', 'duplicate', 'queued', 'submitted', 'downloading') OR (state = 'done' AND review = 'waiting'))
) AS below LIMIT :limit

-- name: rules_with_items
SELECT rule FROM item_rule

-- name: unnoted_left
SELECT count(*) AS count FROM item WHERE state IN ('failed', 'outcome_unknown', 'waiting') AND note_state <> 'written'
      AND (state <> 'waiting' OR failure_code = 'BAD_OVERRIDE') AND current = 1

-- name: free_item_leases
UPDATE item SET owner = NULL WHERE owner IS NOT NULL AND owner NOT IN (SELECT value FROM json_each(:living))

-- name: buy_again
-- What the purchase before it cost is in the ledger; this one is to count by itself.
UPDATE item SET batch_number = NULL, position = NULL, run_id = NULL, cost = NULL, hosted = NULL, reference = unhex(:client_ref),
                duplicate_of = NULL, resent = 0, bought_at = NULL, review = 'none', verdict_due = 0 WHERE id = :id

-- name: batch_again
UPDATE batch SET state = 'submitted', due_at = 0, attempts = 0, failure_code = '', failure = '' WHERE id = :id AND state = 'unknown'

-- name: holders_of_file
SELECT * FROM full_item WHERE id IN (SELECT holder.id FROM item JOIN item AS holder INDEXED BY item_file
  ON holder.rule = item.rule AND substr(holder.content, 1, 8) = substr(item.content, 1, 8)
  AND holder.recipe_number = item.recipe_number AND holder.content = item.content AND holder.id != item.id
WHERE item.id = :id AND holder.state = 'done' AND holder.mtime_ns = :mtime_ns AND holder.inode = :inode
  AND holder.size = :size AND EXISTS (SELECT 1 FROM output WHERE output.item = holder.id)
ORDER BY holder.absent_at IS NULL, holder.id LIMIT 5)
ORDER BY absent_at IS NULL, id

-- name: holders_of
SELECT * FROM full_item WHERE id IN (SELECT holder.id FROM item JOIN item AS holder
  ON holder.rule = item.rule AND substr(holder.content, 1, 8) = substr(item.content, 1, 8)
  AND holder.recipe_number = item.recipe_number AND holder.content = item.content AND holder.id != item.id
WHERE item.id = :id AND holder.state = 'done' AND EXISTS (SELECT 1 FROM output WHERE output.item = holder.id)
  AND (holder.size, holder.mtime_ns, holder.inode) != (:size, :mtime_ns, :inode)
ORDER BY holder.id LIMIT 5)
ORDER BY id

-- name: bring_back
UPDATE item SET state = 'downloading', attempts = 0, due_at = 0, owner = NULL, failure_code = '', failure = ''
WHERE id = :id AND state = 'done' AND NOT EXISTS (SELECT 1 FROM output WHERE output.item = item.id)
