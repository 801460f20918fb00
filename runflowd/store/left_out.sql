-- name: left_out_in_folder
SELECT pattern, files, folders FROM left_out WHERE rule = :rule AND folder = :folder

-- name: left_out_folders
SELECT DISTINCT folder FROM left_out WHERE rule = :rule AND folder > :after ORDER BY folder LIMIT :limit

-- name: forget_left_out
DELETE FROM left_out WHERE rule = :rule AND folder = :folder

-- name: save_left_out
INSERT INTO left_out (rule, folder, pattern, files, folders) VALUES (:rule, :folder, :pattern, :files, :folders)

-- name: left_out
SELECT rule, folder, pattern, files, folders FROM left_out
WHERE rule IN (SELECT value FROM json_each(:rules)) ORDER BY rule, folder, pattern LIMIT :limit

-- name: left_out_in_all
SELECT rule, x'2a2a' AS folder, pattern, sum(files) AS files, sum(folders) AS folders FROM left_out
WHERE rule IN (SELECT value FROM json_each(:rules)) GROUP BY rule, pattern ORDER BY rule, pattern LIMIT :limit
