-- name: own_result
-- What is known as an input stays one, though the model may hand it through as it is.
SELECT output.path, item.rule FROM output JOIN item ON item.id = output.item
WHERE substr(output.content, 1, 8) = substr(unhex(:content_hash), 1, 8) AND +output.content = unhex(:content_hash)
  AND item.rule IN (SELECT value FROM json_each(:makers))
  AND NOT EXISTS (SELECT 1 FROM item AS input WHERE input.rule = :rule
                  AND substr(input.content, 1, 8) = substr(unhex(:content_hash), 1, 8) AND input.content IS NOT NULL
                  AND +input.content = unhex(:content_hash))
LIMIT 1
