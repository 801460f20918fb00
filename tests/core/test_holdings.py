"""What people hear of a host that is gone."""

from __future__ import annotations

import pytest

from runflowd.core.holdings import Holdings, from_text, gone_remedy, gone_sentence, to_text

WHOLE = Holdings(("intake:a", "intake:b", "notify"), 1, 1_200)


def test_what_a_host_held_is_told_in_words() -> None:
    """And kept as it was."""
    assert "the intake of a, b, the messages, 1 batch and 1,200 files" == str(WHOLE)
    assert ("nothing", "1 file") == (str(Holdings()), str(Holdings(files=1)))
    assert WHOLE == from_text(to_text(WHOLE))


@pytest.mark.parametrize(
    ("owners", "end"),
    [
        (
            {"intake:a": "attic", "intake:b": "cellar", "notify": "attic"},
            "Now cellar has the intake of b, attic has the intake of a and the messages",
        ),
        (
            {"intake:a": "attic", "notify": "attic"},
            "Now attic has the intake of a and the messages, nobody yet has the intake of b",
        ),
    ],
    ids=["all of it", "a part of it"],
)
def test_who_has_it_now_is_named(owners: dict[str, str], end: str) -> None:
    """What was claimed goes to whoever comes first."""
    said = gone_sentence("atelier", WHOLE, owners, ["cellar", "attic"])

    assert said.endswith(f"{end}, what was in hand goes on at attic or cellar")


def test_who_held_nothing_has_no_heirs() -> None:
    """It is missed all the same."""
    assert gone_sentence("atelier", Holdings(), {}, ["attic"]).endswith("It held nothing")


def test_the_remedy_is_a_command_that_can_be_typed() -> None:
    """Whatever the host is called."""
    assert "`runflowd hosts remove 'a b'`" in gone_remedy("a b")
