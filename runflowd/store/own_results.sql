-- name: own_result
-- What is known as an input stays one, though the model may hand it through as it is.
SELECT output.path, item.rule FROM output JOIN item ON item.id = output.item
WHERE substr(output.content_hash, 1, 16) = substr(:content_hash, 1, 16) AND +output.content_hash = :content_hash
  AND item.rule IN (SELECT value FROM json_each(:makers))
  AND NOT EXISTS (SELECT 1 FROM item AS input WHERE input.rule = :rule
                  AND substr(input.content_hash, 1, 16) = substr(:content_hash, 1, 16) AND input.content_hash IS NOT NULL
                  AND +input.content_hash = :content_hash)
LIMIT 1
