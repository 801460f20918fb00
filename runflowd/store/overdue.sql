-- name: overdue
-- With min() the other columns are those of the row that has it.
SELECT rule, count(*) AS batches, sum(files) AS files, min(submitted_at) AS since, oldest, remote_id
FROM (SELECT rule, submitted_at, id AS oldest, remote_id,
             (SELECT count(*) FROM item WHERE item.batch_number = batch.number AND item.state = 'submitted') AS files
      FROM batch WHERE state = 'submitted' AND stalled_at IS NOT NULL)
GROUP BY rule

-- name: files_left
SELECT batch.id AS batch, count(item.id) AS files
FROM batch JOIN item ON item.batch_number = batch.number
WHERE batch.state IN ('sealed', 'submitted', 'unknown') AND item.state IN ('queued', 'submitted', 'outcome_unknown')
GROUP BY batch.id
