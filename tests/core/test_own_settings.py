"""Settings of one file alone: which inputs a person may set, what a text means, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.declared import Declared
from runflowd.core.model import Rule
from runflowd.core.own_settings import (
    MAX_SETTING,
    NO_SETTINGS,
    OwnSettings,
    SettingsRefused,
    as_template,
    as_text,
    changeable,
    parse,
)
from runflowd.core.template import Template

INPUT = {
    "image_url": "${file.url}",
    "prompt": "grey, ${file.stem}",
    "seed": 7,
    "strength": 0.5,
    "tiled": False,
    "words": "${file.text}",
    "colours": ["red"],
    "hook": "https://anna:secret@example.org/?token=1",
}
RULE = Rule(name="studio", watch="/in", output="/out", model="m/n", input=INPUT)
USUAL = Template(INPUT).resolve("x/shoe.jpg")
DECLARED = (
    Declared("image_url", "image", required=True),
    Declared("prompt", "string"),
    Declared("seed", "integer", minimum=0, maximum=9),
    Declared("strength", "number"),
    Declared("tiled", "boolean"),
    Declared("style", "string", choices=("plain", "warm")),
    Declared("words", "string"),
    Declared("colours", "json"),
    Declared("hook", "string"),
)


def refusal(settings: dict[str, str], declared: tuple[Declared, ...] = DECLARED) -> str:
    """What is said of settings that cannot be sent."""
    with pytest.raises(SettingsRefused) as caught:
        parse(settings, RULE, USUAL, declared)
    return str(caught.value)


def test_texts_and_numbers_can_be_set_that_bring_no_file_and_hold_no_secret() -> None:
    """As the file has them now; what sends the file, a list and an address with a login are left to the rule."""
    expected = {"prompt": "grey, shoe", "seed": 7, "strength": 0.5, "tiled": False, "words": "${file.text}"}

    assert expected == changeable(USUAL)


def test_a_text_becomes_what_the_input_is() -> None:
    """So `--set seed=8` is a number, and a prompt of digits stays a text."""
    settings = {"prompt": "2026", "seed": "8", "strength": "1", "tiled": "true", "style": "warm"}

    assert {"prompt": "2026", "seed": 8, "strength": 1, "tiled": True, "style": "warm"} == parse(
        settings, RULE, USUAL, DECLARED
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"promt": "x"}, "promt is no input of the model; did you mean prompt?"),
        ({"seed": "many"}, "seed must be a number"),
        ({"seed": "10"}, "seed must be at most 9"),
        ({"seed": "1.5"}, "seed must be a whole number"),
        ({"tiled": "perhaps"}, "tiled must be true or false"),
        ({"style": "cold"}, "style must be one of plain, warm"),
        ({"image_url": "x"}, "image_url cannot be set for one file: it brings the file to the model, or is no single"),
        ({"colours": "blue"}, "colours cannot be set for one file"),
        ({"prompt": "${file.stm}"}, "prompt: unknown placeholder ${file.stm}; did you mean ${file.stem}?"),
        ({"prompt": "x" * (MAX_SETTING + 1)}, "prompt has 10,001 characters; 10,000 are taken at most"),
        ({"prompt": "a\0b"}, "prompt has characters that are no text"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(settings: dict[str, str], said: str) -> None:
    """Before anything is bought."""
    assert said in refusal(settings)


def test_every_mistake_is_told_at_once() -> None:
    """One a line."""
    assert 2 == len(refusal({"seed": "many", "tiled": "perhaps"}).splitlines())


def test_without_a_declaration_only_inputs_of_the_rule_can_be_set() -> None:
    """The service was not asked, and a misspelt name would be bought and refused."""
    assert {"prompt": "blue"} == parse({"prompt": "blue"}, RULE, USUAL, ())
    assert "look is no input that the rule sets; there are prompt, seed" in refusal({"look": "warm"}, ())


@given(st.text("${}a.ursil fe", max_size=30))
def test_what_is_shown_to_be_changed_means_what_it_was(stem: str) -> None:
    """Whoever sends the form as it came sets nothing, whatever is in a file's name and in the rule."""
    usual = Template({"prompt": "$ ${file.stem} $${x} ${file.text}"}).resolve(f"{stem.replace('/', '')}.jpg")
    shown = changeable(usual)

    assert [usual["prompt"]] * len(shown) == [Template(shown).resolve("other.jpg")["prompt"] for _ in shown]


def test_a_dollar_before_a_placeholder_is_no_text_of_a_template() -> None:
    """There it is an escape; such an input is left to the rule."""
    assert (None, "$${", "$$${", "$", "${file.text}$") == tuple(
        map(as_template, ("$$${file.text}", "$${", "$$$${", "$$", "${file.text}$$"))
    )


def test_settings_hold_for_their_content_alone() -> None:
    """Another content at the same path is made as the rule says."""
    own = OwnSettings({"prompt": "blue"}, "c1")

    assert (own, NO_SETTINGS, NO_SETTINGS) == (own.of_content("c1"), own.of_content("c2"), own.of_content(None))


def test_values_are_shown_as_they_are_read() -> None:
    """A number has the digits that it had."""
    assert ("true", "0.1", "7", "x") == (as_text(True), as_text(0.1), as_text(7), as_text("x"))
