-- Schema 19. How many pixels an image has, by which some models are priced; NULL where that is not known.

ALTER TABLE item ADD COLUMN pixels INTEGER CHECK (pixels > 0);
