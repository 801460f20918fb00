-- name: begin_plan
CREATE TEMP TABLE planned (
    rule TEXT NOT NULL, content TEXT NOT NULL, recipe TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (rule, content, recipe)
) STRICT, WITHOUT ROWID

-- name: plan_purchase
INSERT INTO planned (rule, content, recipe, path) VALUES (:rule, :content, :recipe, :path) ON CONFLICT DO NOTHING

-- name: planned_purchase
SELECT path FROM planned WHERE rule = :rule AND content = :content AND recipe = :recipe

-- name: latest_costs
SELECT cost FROM item WHERE cost IS NOT NULL AND batch IN (
    SELECT id FROM batch WHERE model = :model AND service = :service AND submitted_at IS NOT NULL
    ORDER BY sealed_at DESC LIMIT :limit)
