-- name: results_of_content
SELECT item.rule, output.root, output.relative FROM output JOIN item ON item.id = output.item
WHERE substr(output.content_hash, 1, 16) = substr(:content, 1, 16) AND +output.content_hash = :content
  AND output.written_at IS NOT NULL LIMIT 3

-- name: sources_of_content
SELECT dir, basename FROM item
WHERE rule = :rule AND substr(content_hash, 1, 16) = substr(:content, 1, 16) AND content_hash IS NOT NULL
  AND +content_hash = :content LIMIT 3
