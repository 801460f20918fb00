-- Schema 10. The names of the field. A snapshot keeps the id that it was saved under.

UPDATE snapshot SET text = json_remove(json_set(text, '$.rescan', json_extract(text, '$.sweep')), '$.sweep')
WHERE json_type(text, '$.sweep') IS NOT NULL;
UPDATE snapshot SET text = json_set(text, '$.mode', 'rescan') WHERE json_extract(text, '$.mode') = 'sweep';

CREATE TEMP TABLE renamed (before TEXT PRIMARY KEY, after TEXT NOT NULL);
INSERT INTO renamed VALUES ('WATCH_SILENT', 'WATCH_TIMEOUT'), ('OUTPUT_SILENT', 'OUTPUT_TIMEOUT'),
    ('NOT_TOLD', 'NOTIFY_FAILED'), ('NOT_LISTED', 'RESULT_MISSING'), ('NOT_PACKED', 'ZIP_FAILED');
UPDATE incident SET code = renamed.after FROM renamed WHERE code = renamed.before;
UPDATE item SET failure_code = renamed.after FROM renamed WHERE failure_code = renamed.before;
UPDATE batch SET failure_code = renamed.after FROM renamed WHERE failure_code = renamed.before;
UPDATE history SET code = renamed.after FROM renamed WHERE code = renamed.before;
-- What is remembered of an incident, and what is to be told of it, is a JSON object.
UPDATE notice SET body = replace(replace(replace(replace(replace(body,
    '"WATCH_SILENT"', '"WATCH_TIMEOUT"'), '"OUTPUT_SILENT"', '"OUTPUT_TIMEOUT"'), '"NOT_TOLD"', '"NOTIFY_FAILED"'),
    '"NOT_LISTED"', '"RESULT_MISSING"'), '"NOT_PACKED"', '"ZIP_FAILED"');
UPDATE notice SET kind = 'resolved', body = replace(body, '"kind": "over"', '"kind": "resolved"') WHERE kind = 'over';
DROP TABLE renamed;
