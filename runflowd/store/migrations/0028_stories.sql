-- Schema 28. The steps of a file up to its first result, in one row and packed: a third of what they take one by one.

CREATE TABLE packed_story (
    item  INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    steps BLOB NOT NULL                 -- see store/packed_story.py; the steps after these stand in history
) STRICT;
