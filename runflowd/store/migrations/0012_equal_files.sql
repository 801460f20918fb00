-- Schema 12. Files of one content, of which there may be tens of thousands: found by their state, and where one was renamed.

DROP INDEX item_content;
CREATE INDEX item_content ON item (rule, content, recipe, state) WHERE content IS NOT NULL;
CREATE INDEX item_file ON item (mtime_ns, inode) WHERE state = 'done';
