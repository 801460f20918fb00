-- name: results_of_content
SELECT item.rule, output.root, output.relative FROM output JOIN item ON item.id = output.item
WHERE substr(output.content, 1, 8) = substr(unhex(:content), 1, 8) AND +output.content = unhex(:content)
  AND output.written_at IS NOT NULL LIMIT 3

-- name: sources_of_content
SELECT dir, basename FROM item
WHERE rule = :rule AND substr(content, 1, 8) = substr(unhex(:content), 1, 8) AND content IS NOT NULL
  AND +content = unhex(:content) LIMIT 3
