"""Strict YAML, on both parsers: libyaml's and the one in Python."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runflowd.config.yaml import MAX_BYTES, events
from runflowd.config.yaml.source import load_bytes, load_text
from runflowd.errors import ConfigError, Problem


@pytest.fixture(autouse=True, params=[yaml.SafeLoader, yaml.CSafeLoader], ids=["python", "libyaml"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs on both parsers, since either may be the one installed."""
    monkeypatch.setattr(events, "LOADER", request.param)


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "f.yaml")

    return caught.value.problems


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        *((word, word) for word in ("no", "yes", "on", "off", "y", "1:30", "0644", "0x1F", "1_000", "+1", ".5", "1.")),
        *((word, word) for word in ("2026-11-24", ".inf", ".nan", "1e", "5s", "20MiB", "${file.url}", "=")),
        *(("null", None), ("~", None), ("", None), ("true", True), ("True", True), ("false", False)),
        *(("0", 0), ("-7", -7), ("1.5", 1.5), ("1e3", 1000.0), ("-0.5E-1", -0.05)),
        *(("'no'", "no"), ('"1"', "1"), ("'true'", "true"), ("!!str 5", "5"), ("! 5", "5")),
    ],
)
def test_scalar_is_what_it_looks_like(scalar: str, expected: object) -> None:
    """Only JSON's numbers, true, false and null are more than text (scenario 122)."""
    value = load_text(f"a: {scalar}", "f.yaml").data["a"]

    assert (type(expected), expected) == (type(value), value)


def test_keys_are_text() -> None:
    """A key is never a number, a boolean or nothing."""
    assert load_text("1: a\nno: b\ntrue: c\nnull: d", "f").data == {"1": "a", "no": "b", "true": "c", "null": "d"}


def test_every_duplicate_key_is_reported_with_its_first_place() -> None:
    """PyYAML would silently take the last one (scenario 121)."""
    problems = refused("a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n")

    assert [(each.line, each.column, each.where) for each in problems] == [(2, 11, "b.c"), (3, 1, "a"), (4, 1, "a")]
    assert problems[2].message == "is given twice, first on line 1; keep one of them"


def test_quoted_and_plain_spelling_of_a_key_are_one_key() -> None:
    """Quotes make no second key."""
    assert [problem.where for problem in refused("'no': 1\nno: 2")] == ["no"]


def test_merge_key_takes_over_what_is_not_set() -> None:
    """`<<` is no duplicate: own keys win, then earlier mappings of a list."""
    text = "d: &d {a: 1, b: 2}\ne: &e {b: 3, c: 4}\nx:\n  <<: [*d, *e]\n  a: 9\n"

    assert load_text(text, "f").data["x"] == {"a": 9, "b": 2, "c": 4}


def test_merge_of_something_else_is_refused() -> None:
    """Only mappings merge."""
    assert "merges mappings only" in refused("x:\n  <<: 3\n")[0].message


def test_quoted_merge_sign_is_an_ordinary_key() -> None:
    """Quotes take the meaning away, as everywhere."""
    assert load_text("'<<': 3", "f").data == {"<<": 3}


def test_alias_repeats_its_value() -> None:
    """Anchors and aliases work."""
    assert load_text("a: &x [1]\nb: *x", "f").data == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("a: &x [*x]", (1, 8), "contains itself"),
        ("a: *nope", (1, 4), "is not defined above"),
        ("a: 1\n---\nb: 2", (2, 1), "second document"),
        ("null\n---\nb: 2", (2, 1), "second document"),
        ("a: !!python/name:os.system x", (1, 4), "tags are not used"),
        ("a: !!int '3'", (1, 4), "tags are not used"),
        ("a: !thing [1]", (1, 4), "tags are not used"),
        ("? [a]\n: b", (1, 3), "not plain text"),
        ("{{ x }}: 1", (1, 1), "not plain text"),
        ("a:\n\t- x", (2, 1), "indented with a tab"),
        ('a: ["x"]\nb: [${file.url}]', (2, 6), 'a placeholder needs quotes, such as "${file.url}"'),
        ("a: b: c", (1, 5), "put text that holds a colon and a space in quotes"),
        ("a:\n  b: c\n    d: e", (3, 6), "indented too far"),
        ("a:\n  b c\n  d: e", (3, 4), "lacks its colon"),
        ("a:\n    b: c\n   d: e", (3, 4), "indented like none of those above it"),
        ("a:\n  b: [c\n  d: e", (3, 4), "close the bracket opened on line 2"),
        ('a: "x\nb: y', (2, 5), "close the quotes opened on line 1"),
        ("a: [*.jpg]", (1, 6), "put text that starts with * in quotes"),
        ("a: {b: c: d, e: '${f}'}", (1, 9), "put text that holds a colon and a space in quotes"),
        ("a: @x", (1, 4), "put text that starts with @ in quotes"),
        ("a: 'x", (1, 6), "end of stream"),
        ("a: \x07", (1, 4), "U+0007"),
        ("a: 1\nb: \ud800", (2, 4), "U+D800"),
        ("a: 1e999", (1, 4), "too large for a number"),
        (f"a: {'9' * 5000}", (1, 4), "too long for a number"),
        ("[" * 5000, (1, 41), "nested more than 40 levels"),
    ],
)
def test_trouble_is_reported_with_its_place(text: str, place: tuple[int, int], sentence: str) -> None:
    """Line and column count from 1 and point at what to change."""
    problem = refused(text)[0]

    assert place == (problem.line, problem.column)
    assert sentence in problem.message


def test_a_backslash_in_double_quotes_is_explained() -> None:
    """Nobody who writes a path of Windows thinks of escapes."""
    assert "that is a path of Windows; write where it lies on this machine" in refused('a: "C:\\photos"')[0].message
    assert refused('a: "\\photos"')[0].message.endswith("a backslash begins an escape; put the text in single quotes")


NBSP, ZERO_WIDTH = "U+00A0 NO-BREAK SPACE in column {}", "U+200B ZERO WIDTH SPACE in column {}"
LEFT, SINGLE = "U+201C LEFT DOUBLE QUOTATION MARK in column {}", "U+2018 LEFT SINGLE QUOTATION MARK in column {}"
SPACE, QUOTES = "is no space to YAML; write a plain one", "is no quote to YAML; write plain quotes"


@pytest.mark.parametrize(
    ("text", "place", "named", "remedy"),
    [
        ("a:\n\u00a0 b: 1\n", (2, 1), NBSP.format(1), SPACE),
        ("a:\n  b: 1\n \u00a0c: 2\n", (3, 2), NBSP.format(2), SPACE),
        ("a: 1\n\u00a0\nb: 2\n", (2, 1), NBSP.format(1), SPACE),
        ("a: text\n  \u00a0b: 1\n", (2, 3), NBSP.format(3), SPACE),
        ("a:\u00a0/srv/in\n", (1, 3), NBSP.format(3), SPACE),
        ("a: 1\nb:\u00a0/srv/in\n", (2, 3), NBSP.format(3), SPACE),
        ("a:\n  -\u00a0b\n", (2, 4), NBSP.format(4), SPACE),
        ("a: \u200b5s\n", (1, 4), ZERO_WIDTH.format(4), SPACE),
        ("a: “white: plain”\n", (1, 4), LEFT.format(4), QUOTES),
        ("a: “white”\n", (1, 4), LEFT.format(4), QUOTES),
        ("a: [b, \u2018*.jpg\u2019]\n", (1, 8), SINGLE.format(8), QUOTES),
        ("“a”: 1\n", (1, 1), LEFT.format(1), QUOTES),
    ],
)
def test_characters_that_look_like_those_of_yaml_are_named(
    text: str, place: tuple[int, int], named: str, remedy: str
) -> None:
    """An editor shows no difference, so the message names the character, the column and what to write."""
    (problem,) = refused(text)

    assert place == (problem.line, problem.column)
    assert f"{named} {remedy}" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "a: 12\u00a0cm",
        'a: "“white”"',
        "a: soft “white” light",
        "a: '\u00a0'",
        "a: |\n  “white”",
        "a: it\u2019s",
        "a: “a” or “b” c",
    ],
)
def test_such_characters_within_a_text_are_text(text: str) -> None:
    """A prompt may say what it likes."""
    assert load_text(text, "f.yaml").data


@pytest.mark.parametrize("text", ['a: "\\ud800"', '"\\ud800": a'])
def test_half_a_character_is_refused(text: str) -> None:
    """An escape may not smuggle in what could not be sent as JSON."""
    assert refused(text)


def test_alias_bomb_is_refused() -> None:
    """Nine lines that stand for a billion values cost nothing (scenario 122)."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    assert "aliases counted as often as used" in refused("\n".join(lines))[0].message


def test_large_text_is_refused_before_it_is_parsed() -> None:
    """The whole file is named, since no line is wrong."""
    problem = refused("#" * (MAX_BYTES + 1))[0]

    assert problem.line == 0
    assert "larger than 1048576 bytes" in problem.message


def test_bytes_that_are_not_utf8_are_placed() -> None:
    """A Latin-1 file names the line and column of the first umlaut."""
    with pytest.raises(ConfigError) as caught:
        load_bytes(b"a: 1\nb: \xc3\xa4\xe4", "f.yaml")

    assert str(caught.value) == "f.yaml:2:5: is not UTF-8; save the file as UTF-8"


def test_large_bytes_are_refused() -> None:
    """The cap counts bytes, whoever read them."""
    with pytest.raises(ConfigError, match="larger than"):
        load_bytes(b"#" * (MAX_BYTES + 1), "f.yaml")


def test_byte_order_mark_is_passed_over() -> None:
    """Windows editors write one."""
    assert load_bytes(b"\xef\xbb\xbfa: 1", "f").data == {"a": 1}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null"])
def test_nothing_is_none(text: str) -> None:
    """Whoever reads decides what an empty file means."""
    assert load_text(text, "f").data is None


def test_positions_lead_to_values_and_keys() -> None:
    """A path that is not there leads to the nearest key above it."""
    source = load_text("rules:\n  one:\n    include: [a, b]\n", "f")

    assert source.position(("rules", "one", "include", 1)) == (3, 18)
    assert source.key_position(("rules", "one", "include")) == (3, 5)
    assert source.position(("rules", "one", "model")) == (2, 3)
    assert source.position(("service",)) == (1, 1)


def test_positions_below_an_alias_lead_to_the_alias() -> None:
    """What an alias brings in is mended where the alias stands."""
    source = load_text("a: &x {b: {c: 1}}\nd: *x\n", "f")

    assert source.position(("d", "b", "c")) == (2, 1)


# Beyond the first plane json.dumps writes two escapes for one character, which YAML does not join.
words = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
plain: Any = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


@given(plain)
def test_json_reads_back(value: Any) -> None:
    """Law: what JSON writes is read as JSON means it."""
    assert value == load_text(json.dumps(value), "f").data


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t${}<", max_size=40))
def test_any_text_is_data_or_a_problem(text: str) -> None:
    """Law: nothing that people can type escapes as another exception."""
    with contextlib.suppress(ConfigError):
        load_text(text, "f")
