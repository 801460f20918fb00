-- name: begin_plan
CREATE TEMP TABLE planned (
    rule TEXT NOT NULL, content TEXT NOT NULL, recipe TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (rule, content, recipe)
) STRICT, WITHOUT ROWID

-- name: plan_purchase
INSERT INTO planned (rule, content, recipe, path) VALUES (:rule, :content, :recipe, :path) ON CONFLICT DO NOTHING

-- name: planned_purchase
SELECT path FROM planned WHERE rule = :rule AND content = :content AND recipe = :recipe
