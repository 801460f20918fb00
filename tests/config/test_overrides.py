"""What a `_runflow.yaml` may set, and what not."""

from __future__ import annotations

import pytest

from runflowd.config import load_override
from runflowd.core.model import Rule
from runflowd.errors import ConfigError

RULE = Rule(
    name="one",
    watch="/in",
    output="/out",
    model="a/b",
    input={"image_url": "${file.url}", "prompt": "white", "n": 1, "flag": True, "list": [], "map": {}},
    overridable=("prompt", "n", "flag", "list", "map", "extra"),
)


def refused(text: str, rule: Rule = RULE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_override(text, "x/_runflow.yaml", rule)

    return [str(problem) for problem in caught.value.problems]


def test_listed_keys_can_be_set() -> None:
    """Values are templates like the rule's own."""
    assert load_override("prompt: ${file.dir} on grey\nextra: 3\n", "f", RULE) == {
        "prompt": "${file.dir} on grey",
        "extra": 3,
    }


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_empty_file_sets_nothing(text: str) -> None:
    """A file that was just made is no mistake."""
    assert load_override(text, "f", RULE) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image_url: https://evil.example/x", "1:1: image_url: cannot be set here: rule one allows prompt, n"),
        (
            "promt: x",
            "1:1: promt: cannot be set here: rule one allows prompt, n, flag, list, map, extra; did you mean prompt?",
        ),
        ("prompt: 5", "1:9: prompt: must be text, as in the rule; it is a number"),
        ("n: true", "1:4: n: must be a number, as in the rule; it is true or false"),
        ("flag: no", "1:7: flag: must be true or false, as in the rule; it is text"),
        ("list: {a: 1}", "1:7: list: must be a list, as in the rule; it is a mapping"),
        ("map:", "1:5: map: must be a mapping, as in the rule; it is empty"),
        ("prompt: ${HOME}", "1:9: prompt: unknown placeholder ${HOME}"),
        ("- a", "1:1: must hold keys with values"),
        ("prompt: [}", "1:10: while parsing"),
        ("prompt: a\nprompt: b", "2:1: prompt: is given twice"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, expected: str) -> None:
    """Whoever wrote the file sees only the share, so the sentence must be enough."""
    assert refused(text)[0].startswith(f"x/_runflow.yaml:{expected}")


def test_every_problem_is_reported() -> None:
    """Two mistakes take one round to mend."""
    assert len(refused("nope: 1\nn: x\n")) == 2


def test_rule_that_allows_nothing_says_so() -> None:
    """The way out is the operator's."""
    rule = Rule(name="one", watch="/in", output="/out", model="a/b", input={})

    assert "rule one lists nothing in overridable" in refused("prompt: x", rule)[0]


def test_large_file_is_refused() -> None:
    """Anyone who can drop a file can drop a large one."""
    assert "larger than 65536 bytes" in refused("#" * 65537)[0]
