"""A statement for many sets of values as one statement that has them as rows.

Carried out once for each set, most of what it takes of the server goes into its beginning and end (an update of `item`
opens twenty indexes), and most of what it takes of the daemon into the driver. The values go as one JSON text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runflowd.store.connection import Row
    from runflowd.store.postgresql.values import PostgresRow

_VALUE = re.compile(r"%\((\w+)\)s")
_INSERT = re.compile(r"(INSERT INTO \w+ \([^)]*\))\s+(.*?)(\s+(?:ON CONFLICT|RETURNING)\b.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Many:
    """A statement whose one value, `rows`, is a JSON array of objects, each a set of values. None is for a row twice.

    `of` gives the rows of its answer for each of so many sets; it is None where the answer does not tell.
    """

    text: str
    of: Callable[[list[PostgresRow], int], list[list[Row]]] | None

    @staticmethod
    def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The sets as the value of the statement."""
        return {"rows": json.dumps(rows, default=_hex)}


def _hex(value: bytes) -> str:
    return f"\\x{value.hex()}"


def _by_place(rows: list[PostgresRow], sets: int) -> list[list[Row]]:
    """By the place of the set, counted from 1, which each row ends with and is freed of."""
    found: list[list[Row]] = [[] for _ in range(sets)]
    for row in rows:
        found[row[-1] - 1].append(row.without_last())
    return found


def _one_each(rows: list[PostgresRow], _: int) -> list[list[Row]]:
    return [[row] for row in rows]


def types_of(raw: Any, text: str) -> dict[str, str]:
    """What the server takes each value of a statement for, by its name, in one way there and back."""
    names = list(dict.fromkeys(_VALUE.findall(text)))
    numbered = _VALUE.sub(lambda found: f"${names.index(found[1]) + 1}", text).replace("%%", "%")
    ask = "SELECT CAST(parameter_types AS text[]) FROM pg_prepared_statements WHERE name = 'asked'"
    answers = raw.execute(f"PREPARE asked AS {numbered}; {ask}; DEALLOCATE asked")
    answers.nextset()
    return dict(zip(names, answers.fetchone()[0], strict=True))


def for_many(text: str, types: Mapping[str, str]) -> Many | None:
    """A statement for many sets of values of these types, None where it has a form that is not known here."""
    if not types:
        return None
    columns = ", ".join(f'"{name}" {each}' for name, each in types.items())
    aliases = ", ".join(f"given_{name}" for name in types)
    rows = f"ROWS FROM (json_to_recordset(CAST(%(rows)s AS json)) AS ({columns}))"
    given = f"{rows} WITH ORDINALITY AS given ({aliases}, place_of_set)"
    body = _VALUE.sub(r"given.given_\1", text)
    if body.startswith("SELECT "):
        source = f"{given} CROSS JOIN LATERAL ({body}) AS found"
        return Many(f"SELECT found.*, place_of_set FROM {source} ORDER BY place_of_set", _by_place)  # noqa: S608  ours
    if made := _INSERT.fullmatch(body):
        into, row, rest = made.groups(default="")
        answer = _one_each if row.startswith("VALUES ") and rest.lstrip().startswith("RETURNING ") else None
        source = f"{given} CROSS JOIN LATERAL ({row}) AS made"
        return Many(f"{into} SELECT made.* FROM {source} ORDER BY place_of_set{rest}", answer)  # noqa: S608  ours
    return _change(body, given)


def _change(body: str, given: str) -> Many | None:
    """For an UPDATE or a DELETE under a condition that has no answer of its own."""
    begin = _condition(body)
    if begin is None or "RETURNING " in body:
        return None
    what, which = body[:begin], body[begin:]
    for form, word in ((r"UPDATE \w+ SET\b.*", " FROM "), (r"DELETE FROM \w+\s*", " USING ")):
        if re.fullmatch(form, what, re.DOTALL):
            return Many(f"{what}{word}{given} {which} RETURNING place_of_set", _by_place)
    return None


def _condition(text: str) -> int | None:
    """Where its condition begins: that of no query within it."""
    for found in re.finditer(r"\bWHERE\b", text):
        before = text[: found.start()]
        if before.count("(") == before.count(")"):
            return found.start()
    return None
