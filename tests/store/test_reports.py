"""What is told about the state file in figures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.lifecycle import ItemState
from runflowd.store.reports import count_states
from runflowd.store.schema import migrate
from runflowd.store.sqlite import connect

NAMES = st.sampled_from(["", "a", "a b", "Z", "ä", "zz"])


@given(st.lists(st.tuples(NAMES, st.sampled_from(ItemState)), max_size=40))
def test_items_are_counted_by_rule_and_state(kinds: list[tuple[str, ItemState]]) -> None:
    """However few or many there are of a kind, and whatever rules are called."""
    with TemporaryDirectory() as folder:
        connection = connect(path := Path(folder, "state.db"))
        migrate(connection, path)
        for number, (rule, state) in enumerate(kinds):
            connection.raw.execute(
                "INSERT INTO item (rule, dir, basename, size, mtime_ns, inode, state, reference, found_at) "
                "VALUES (?, x'', ?, 1, 1, 1, ?, ?, 0)",
                (rule, str(number).encode(), state, str(number).encode()),
            )
        found = count_states(connection)
        connection.raw.close()

    counted = {(rule, state): count for rule, states in found.items() for state, count in states.items()}
    assert dict(Counter(kinds)) == counted
