-- name: overdue
-- With min() the other columns are those of the row that has it.
SELECT rule, count(*) AS batches, sum(files) AS files, min(submitted_at) AS since, oldest, remote_id
FROM (SELECT rule, submitted_at, id AS oldest, remote_id,
             (SELECT count(*) FROM item WHERE item.batch_number = batch.number AND item.state = 'submitted') AS files
      FROM batch WHERE state = 'submitted' AND stalled_at IS NOT NULL)
GROUP BY rule

-- name: batches_elsewhere
-- Sent, or perhaps sent, to another service than this one; of several such services the one with most batches is first.
SELECT rule, service, count(DISTINCT batch) AS batches, count(*) FILTER (WHERE state = 'queued') AS queued,
       count(*) FILTER (WHERE state = 'submitted') AS submitted, sum(duplicates) AS duplicates
FROM (SELECT batch.rule, batch.service, batch.id AS batch, item.state,
             (SELECT count(*) FROM item AS one WHERE one.duplicate_of = item.id AND one.state = 'duplicate') AS duplicates
      FROM batch JOIN item ON item.batch_number = batch.number
      WHERE batch.state IN ('sealed', 'submitted') AND batch.service <> :service AND item.state IN ('queued', 'submitted')
        AND (batch.state = 'submitted' OR EXISTS (SELECT 1 FROM purchase WHERE purchase.batch = batch.id))) AS found
GROUP BY rule, service ORDER BY rule, batches DESC, service

-- name: files_left
SELECT batch.id AS batch, count(item.id) AS files
FROM batch JOIN item ON item.batch_number = batch.number
WHERE batch.state IN ('sealed', 'submitted', 'unknown') AND item.state IN ('queued', 'submitted', 'outcome_unknown')
GROUP BY batch.id
