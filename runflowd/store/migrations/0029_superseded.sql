-- Schema 29. How many older contents of files have ended is counted without a look at all that did.

CREATE INDEX item_superseded ON item (rule, state, review) WHERE current = 0;
