-- Schema 10. The names of the field. A snapshot keeps the id that it was saved under.

UPDATE snapshot SET text = json_remove(json_set(text, '$.rescan', json_extract(text, '$.sweep')), '$.sweep')
WHERE json_type(text, '$.sweep') IS NOT NULL;
UPDATE snapshot SET text = json_set(text, '$.mode', 'rescan') WHERE json_extract(text, '$.mode') = 'sweep';
