-- Schema 5. Whether a content is a result, asked of every new file.

CREATE INDEX output_content ON output (content);
