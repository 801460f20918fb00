-- name: followers_in_doubt
SELECT id FROM item WHERE state = 'outcome_unknown' AND source_item = :id AND batch IS NULL ORDER BY id
