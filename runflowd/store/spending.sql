-- name: set_bought
UPDATE item SET bought_at = :now WHERE id = :id AND batch = :batch AND bought_at IS NULL
  AND (SELECT service FROM batch WHERE batch.id = :batch) <> 'local'

-- name: latest_costs
SELECT coalesce(cost, hosted) AS cost FROM item WHERE coalesce(cost, hosted) IS NOT NULL AND batch IN (
    SELECT id FROM batch WHERE model = :model AND service = :service AND submitted_at IS NOT NULL
    ORDER BY sealed_at DESC LIMIT :limit)

-- name: hosted_since
WITH RECURSIVE prices(hosted) AS (
    SELECT min(hosted) FROM item WHERE hosted IS NOT NULL
    UNION ALL
    SELECT (SELECT min(hosted) FROM item WHERE hosted IS NOT NULL AND item.hosted > prices.hosted) FROM prices
    WHERE prices.hosted IS NOT NULL)
SELECT hosted, (SELECT count(*) FROM item WHERE item.hosted = prices.hosted AND ended_at >= :since) AS count
FROM prices WHERE hosted IS NOT NULL
