-- Schema 6. How old the links of a request are, whether it can have been received, and what was sent again for that.

ALTER TABLE purchase ADD COLUMN links_at REAL;   -- when the oldest link in its bytes was made; NULL for none that ages
ALTER TABLE purchase ADD COLUMN unreceived INTEGER NOT NULL DEFAULT 0;   -- 1: the service has certainly not got it

ALTER TABLE item ADD COLUMN resent INTEGER NOT NULL DEFAULT 0;   -- times sent again, as its upload could not be read
