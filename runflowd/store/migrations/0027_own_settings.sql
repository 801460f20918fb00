-- Schema 27. Settings that a person gave one file alone: what it was made with, and what its next run is asked for.

ALTER TABLE item ADD COLUMN settings TEXT;        -- a JSON object of inputs, as templates; NULL for none
ALTER TABLE item ADD COLUMN settings_of TEXT;     -- the hash of the content that they are for
ALTER TABLE item ADD COLUMN rerun_settings TEXT;  -- while a rerun is requested: those of the next run, for this content
