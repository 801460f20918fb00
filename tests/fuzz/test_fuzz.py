"""What strangers can reach bears any bytes; and the loop that tries more of them notices what does not."""

from __future__ import annotations

import argparse
from random import Random
from typing import TYPE_CHECKING

import fuzzing
import pytest
from fuzz_targets import TARGETS, Target
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import mutated

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", TARGETS)
def test_real_inputs_are_borne(name: str) -> None:
    """The corpus itself: what the program reads every day."""
    target = TARGETS[name]

    for data in target.corpus():
        target.attempt(data)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=80)
@given(seed=st.integers(0, 2**32 - 1))
def test_bent_inputs_are_borne(name: str, seed: int) -> None:
    """Law: what is nearly right is read or refused in the promised way, never anything else."""
    target = TARGETS[name]

    target.attempt(mutated(target.corpus(), Random(seed)))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=80)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_borne(name: str, data: bytes) -> None:
    """Law: the same for bytes that resemble nothing."""
    TARGETS[name].attempt(data)


def options(folder: Path, **changes: object) -> argparse.Namespace:
    """The arguments of a short run."""
    facts = {"target": "planted", "minutes": 1.0, "seed": 7, "folder": folder, "input": None, "atheris": False}
    return argparse.Namespace(**{**facts, **changes})


def stumble(data: bytes) -> None:
    """A reader with a defect."""
    assert b"\xff" not in data


def hang(_: bytes) -> None:
    """A reader that does not come to an end."""
    while True:
        pass


def test_a_defect_is_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input that failed fails again, and the exit code says so."""
    monkeypatch.setitem(TARGETS, "planted", Target(stumble, lambda: [b"harmless"]))
    code = fuzzing.fuzz(options(tmp_path))
    (kept,) = tmp_path.iterdir()

    with pytest.raises(AssertionError):
        fuzzing.fuzz(options(tmp_path, input=kept))
    assert (1, True) == (code, b"\xff" in kept.read_bytes())


def test_a_hanging_reader_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is bounded like everything else."""
    monkeypatch.setitem(TARGETS, "planted", Target(hang, lambda: [b"harmless"]))
    monkeypatch.setattr(fuzzing, "LONGEST", 0.05)

    assert 1 == fuzzing.fuzz(options(tmp_path))


def test_the_same_seed_gives_the_same_inputs() -> None:
    """Or a finding could not be looked for again."""
    corpus = TARGETS["control"].corpus()

    assert [mutated(corpus, one) for one in [Random(3)] * 9] == [mutated(corpus, one) for one in [Random(3)] * 9]
