-- name: duplicates_in_doubt
SELECT id FROM item WHERE state = 'outcome_unknown' AND duplicate_of = :id AND batch_number IS NULL ORDER BY id
