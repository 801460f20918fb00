-- name: left_out_in_folder
SELECT pattern, files, folders FROM left_out WHERE rule = :rule AND dir = :dir

-- name: left_out_folders
SELECT DISTINCT dir FROM left_out WHERE rule = :rule AND dir > :after ORDER BY dir LIMIT :limit

-- name: forget_left_out
DELETE FROM left_out WHERE rule = :rule AND dir = :dir

-- name: save_left_out
INSERT INTO left_out (rule, dir, pattern, files, folders) VALUES (:rule, :dir, :pattern, :files, :folders)

-- name: left_out
SELECT rule, dir, pattern, files, folders FROM left_out
WHERE rule IN (SELECT value FROM json_each(:rules)) ORDER BY rule, dir, pattern LIMIT :limit

-- name: left_out_in_all
SELECT rule, x'2a2a' AS dir, pattern, sum(files) AS files, sum(folders) AS folders FROM left_out
WHERE rule IN (SELECT value FROM json_each(:rules)) GROUP BY rule, pattern ORDER BY rule, pattern LIMIT :limit
