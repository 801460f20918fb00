"""SQLite's statements in PostgreSQL's words, as far as they differ in a few words alone.

A statement that differs more stands in `statements.sql`. A test has PostgreSQL parse all of them.
"""

from __future__ import annotations

import re
from pathlib import Path

from runflowd.store import statements

REPLACEMENTS: tuple[tuple[str, str], ...] = (
    (r"^--.*$", ""),
    (r"%", "%%"),
    (r"\bIS :(\w+)", r"IS NOT DISTINCT FROM :\1"),
    (r"SELECT value FROM json_each\((:\w+)\)", r"SELECT jsonb_array_elements_text(CAST(\1 AS jsonb))"),
    (
        r"\bIN \(SELECT CAST\(value AS INTEGER\) FROM json_each\((:\w+)\)\)",
        r"= ANY (CAST(translate(\1, '[]', '{}') AS bigint[]))",
    ),
    (r"\bjson_extract\((\w+), '\$\.(\w+)'\)", r"(CAST(\1 AS jsonb) ->> '\2')"),
    (r"\binstr\(CAST\((.+?) AS BLOB\), (:\w+)\)", r"position(\2 IN \1)"),
    # Names are bytes, and so is the pattern: Latin-1 has a letter for each.
    (r"\bname_matches\((\w+), (:\w+)\)", r"""convert_from(\1, 'LATIN1') COLLATE "C" ~ CAST(\2 AS TEXT)"""),
    (r":server_now\b", "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"),
    (r"SELECT unhex\(value\) FROM json_each\((:\w+)\)", r"SELECT unhex(jsonb_array_elements_text(CAST(\1 AS jsonb)))"),
    (r"\blower\(hex\(([\w.]+)\)\)", r"encode(\1, 'hex')"),
    (r"(?<!:):(\w+)", r"%(\1)s"),
    (r"\bx'([0-9a-f]*)'", r"'\\x\1'::bytea"),
    (r"\bCROSS JOIN (\w+) ON\b", r"JOIN \1 ON"),  # SQLite's way to fix the order of loops
    (r" INDEXED BY \w+", ""),
    (r"(?<=\s)\+(?=\w)", ""),  # and to leave an index alone
    (r"\bAS REAL\b", "AS double precision"),
    (r"\bAS BLOB\b", "AS bytea"),
)
"""What is replaced, in this order."""


def translate(text: str) -> str:
    """A statement of SQLite's as psycopg takes it: with PostgreSQL's words and `%(name)s` for values."""
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE | re.IGNORECASE)
    return text.strip()


def translated() -> dict[str, str]:
    """Every statement by its name."""
    own = statements.statements(Path(__file__).parent)
    return {name: translate(text) for name, text in {**statements.STATEMENTS, **own}.items()}
