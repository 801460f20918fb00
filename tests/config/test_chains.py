"""Several rules over one folder, and rules that take what others make: what may be, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runflowd.config import describe, load
from runflowd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config


def loaded(folder: Path, **rules: str) -> Config:
    lines = [f"  {name}: {{{text}, model: m/n}}" for name, text in rules.items()]
    (config := folder / "runflowd.yaml").write_text("\n".join(["service: local", "rules:", *lines, ""]))
    return load(config)


def problems(folder: Path, **rules: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, **rules)
    return [f"{each.where}: {each.message}" for each in caught.value.problems]


def test_two_rules_may_watch_one_folder(tmp_path: Path) -> None:
    """Each with an output of its own; `check` says what that costs (scenario 143)."""
    config = loaded(tmp_path, one="watch: in, output: a", two="watch: in/, output: b")
    (told,) = [line for line in describe(config) if "one and two" in line]

    assert told == (
        f"one and two watch the same folder, {tmp_path}/in: a file that several of them take is bought by each, and "
        "its results are theirs alone."
    )


@pytest.mark.parametrize("output", ["a", "a/deeper", "."])
def test_their_outputs_must_differ(tmp_path: Path, output: str) -> None:
    """Else one would replace the results of the other (scenario 143)."""
    found = problems(tmp_path, one="watch: x/in, output: a", two=f"watch: x/in, output: {output}")

    assert any("of rule" in line for line in found)


@pytest.mark.parametrize("after", ["after: keep", "after: {move: done}", "overwrite: true"])
def test_rules_over_one_folder_dispose_of_it_alike(tmp_path: Path, after: str) -> None:
    """A source is deleted once, for all of them (scenario 143)."""
    (found,) = problems(tmp_path, one="watch: in, output: a, after: delete", two=f"watch: in, output: b, {after}")

    assert found.startswith(("rules.two.after: ", "rules.two.watch: "))
    assert "rule one" in found


def test_the_same_disposal_is_accepted(tmp_path: Path) -> None:
    """Spelt differently, too (scenario 143)."""
    rules = {
        name: f"watch: in, output: {name}, after: {{move: {to}}}"
        for name, to in {"a": "done", "b": "x/../done"}.items()
    }

    assert 2 == len(loaded(tmp_path, **rules).rules)


@pytest.mark.parametrize("watch", ["b", "b/", "b/deep"])
def test_a_rule_may_take_what_another_makes(tmp_path: Path, watch: str) -> None:
    """Its output folder, or one below (scenario 143)."""
    config = loaded(tmp_path, one="watch: a, output: b", two=f"watch: {watch}, output: c")

    assert "two: takes what one makes; drafts and notes in that folder are left alone." in describe(config)


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ({"one": "watch: a, output: b", "two": "watch: b, output: a"}, "one -> two -> one"),
        ({"one": "watch: a/x, output: b", "two": "watch: b/y, output: a"}, "one -> two -> one"),
        (
            {"one": "watch: a, output: b", "two": "watch: b, output: c", "three": "watch: c, output: a"},
            "one -> two -> three -> one",
        ),
        ({"one": "watch: link/x, output: b", "two": "watch: b, output: real"}, "one -> two -> one"),
        ({"first": "watch: z, output: a", "one": "watch: a, output: b", "two": "watch: b, output: a/x"}, None),
    ],
)
def test_a_loop_is_refused_with_its_way(tmp_path: Path, rules: dict[str, str], path: str | None) -> None:
    """It would buy its own results for ever (scenario 143)."""
    (tmp_path / "real/x").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = problems(tmp_path, **rules)

    assert path is None or 1 == sum(path in line for line in found), found


@pytest.mark.parametrize("watch", ["b/rejected", "b/rejected/shoes", "b/Rejected", "b/.runflowd-held", "./b/rejected/"])
@pytest.mark.parametrize("review", ["hold", "off"])
def test_no_rule_watches_where_another_puts_what_nobody_accepted(tmp_path: Path, watch: str, review: str) -> None:
    """Rejected and held results feed no rule, and one that asks nobody today has those of before."""
    (found,) = problems(tmp_path, one=f"watch: a, output: b, review: {review}", two=f"watch: {watch}, output: c")

    assert found.startswith("rules.two.watch: lies where rule one puts the results that nobody accepted, ")


def test_a_rule_may_watch_a_folder_whose_name_only_begins_so(tmp_path: Path) -> None:
    """Or that is called so further below."""
    loaded(
        tmp_path,
        one="watch: a, output: b",
        two="watch: b/rejected-shoes, output: c",
        three="watch: b/x/rejected, output: d",
    )


def test_a_long_chain_is_no_loop(tmp_path: Path) -> None:
    """Nor are two ways to one folder (scenario 143)."""
    rules = {f"r{number}": f"watch: f{number}, output: f{number + 1}" for number in range(40)}

    assert 42 == len(loaded(tmp_path, **rules, x="watch: f0, output: g", y="watch: g, output: h").rules)


def test_an_output_inside_a_watched_folder_is_still_refused(tmp_path: Path) -> None:
    """A rule that watches more than the other makes would take what others put there for results (scenario 143)."""
    (found,) = problems(tmp_path, one="watch: a, output: b/deep", two="watch: b, output: c")

    assert found.startswith("rules.one.output: lies inside watch of rule two; ")


@pytest.mark.parametrize("receipts", ["in", "in/receipts", "."])
def test_receipts_stay_out_of_watched_folders(tmp_path: Path, receipts: str) -> None:
    """They would be taken for new files, be it by the rule itself or by another one."""
    own = problems(tmp_path, one=f"watch: in, output: a, receipts: {receipts}")
    others = problems(tmp_path, one="watch: in, output: a", two=f"watch: other, output: b, receipts: {receipts}")

    assert all("receipts would be taken for new files" in line for line in own + others if "loop" not in line)
    assert all(
        any(line.startswith(f"rules.{name}.") for line in found) for name, found in (("one", own), ("two", others))
    )


def test_rules_may_share_a_folder_for_receipts(tmp_path: Path) -> None:
    """And it may be that of their results."""
    config = loaded(tmp_path, one="watch: x, output: a, receipts: r", two="watch: y, output: b, receipts: r/")

    assert [f"{tmp_path}/r"] * 2 == [rule.receipts for rule in config.rules]
    assert f"one: what each file cost, and what came of it, is written into {tmp_path}/r." in describe(config)


def test_the_receipts_of_defaults_are_those_of_every_rule_without_its_own(tmp_path: Path) -> None:
    """A mistake in them is shown where it stands."""
    text = "service: local\ndefaults: {receipts: RECEIPTS}\nrules:\n  a: {watch: in, output: out, model: m/n}\n"
    (config := tmp_path / "runflowd.yaml").write_text(text.replace("RECEIPTS", "r"))
    assert [f"{tmp_path}/r"] == [rule.receipts for rule in load(config).rules]

    config.write_text(text.replace("RECEIPTS", "in/r"))
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert [("defaults.receipts", 2)] == [(each.where, each.line) for each in caught.value.problems]
