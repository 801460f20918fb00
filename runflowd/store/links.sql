-- name: send_again
UPDATE item SET batch_number = NULL, position = NULL, run_id = NULL, cost = NULL, hosted = NULL, reference = unhex(:client_ref),
                resent = resent + 1, bought_at = NULL
WHERE id = :id AND batch_number = (SELECT number FROM batch WHERE id = :batch)

-- name: note_unreceived
UPDATE purchase SET unreceived = 1 WHERE key = :key AND batch = :batch AND ambiguous = 0

-- name: about_to_send
UPDATE purchase SET unreceived = 0 WHERE key = :key AND batch = :batch

-- name: links_of_batch
SELECT min(links_at) AS made_at FROM purchase WHERE batch = :batch AND outcome = 'accepted'

-- name: close_unreceived
UPDATE purchase SET outcome = :outcome, body = NULL
WHERE key = :key AND batch = :batch AND outcome = 'intended' AND unreceived = 1
