-- name: begin_plan
CREATE TEMP TABLE planned (
    rule TEXT NOT NULL, content_hash TEXT NOT NULL, recipe_hash TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (rule, content_hash, recipe_hash)
) STRICT, WITHOUT ROWID

-- name: plan_purchase
INSERT INTO planned (rule, content_hash, recipe_hash, path) VALUES (:rule, :content_hash, :recipe_hash, :path) ON CONFLICT DO NOTHING

-- name: planned_purchase
SELECT path FROM planned WHERE rule = :rule AND content_hash = :content_hash AND recipe_hash = :recipe_hash
