"""Which files a rule takes, and why not."""

from __future__ import annotations

from typing import Any

import pathspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runflowd.core import rules
from runflowd.core.model import Rule
from runflowd.core.patterns import PatternError, pattern
from runflowd.core.rules import DROPPINGS, Matcher, diff_rules, owner


def make_rule(name: str = "studio", **changes: Any) -> Rule:
    return Rule(**{"name": name, "watch": "/in", "output": "/out", "model": "a/b", "input": {}, **changes})


@pytest.mark.parametrize(
    "path", ["a.jpg", "x/y/a.png", "shoes/A b.JPG", "~x/a.jpg", "part/a.jpg", "a\nb.jpg", "\udcff.jpg"]
)
def test_default_rule_takes_every_ordinary_file(path: str) -> None:
    """Without include and exclude, whatever is dropped is taken."""
    assert Matcher(make_rule()).matches(path)


@pytest.mark.parametrize(
    "path",
    [
        ".hidden.jpg",
        "._a.jpg",
        "a.jpg~",
        "a.jpg.part",
        "a.TMP",
        "b/a.crdownload",
        "b/a.jpg.filepart",
        "@eaDir/a.jpg",
        "x/@eaDir/deep/a.jpg",
        "Thumbs.db",
        "x/desktop.ini",
        ".stfolder/x",
        ".stversions/a.jpg",
        "#recycle/a.jpg",
        "#a.jpg#",
        "$RECYCLE.BIN/a.jpg",
        "a.jpg.sb-1234/a.jpg",
        "~$prices.jpg",
    ],
)
def test_droppings_are_ignored_by_default(path: str) -> None:
    """What editors, copiers and systems leave behind is never bought (scenario 26)."""
    assert not Matcher(make_rule()).matches(path)


@pytest.mark.parametrize("path", ["_runflow.yaml", "x/_RUNFLOW.yaml", "a.jpg.failed.txt", ".runflowd-12.part"])
def test_own_files_are_ignored_whatever_the_rule_says(path: str) -> None:
    """No pattern can make runflowd buy its own notes."""
    rule = make_rule(exclude=("!_runflow.yaml", "!*.failed.txt", "!.*", "!*.part"))

    assert not Matcher(rule).matches(path)


def test_every_dropping_is_refused_with_its_meaning() -> None:
    """The list that `check` prints is the list that works."""
    matcher = Matcher(make_rule())

    for line, meaning in DROPPINGS.items():
        reason = matcher.why_not(line.replace("*", "x") + "/a.jpg")
        assert reason is not None
        assert "ignored by default" in reason, line
        assert any(meaning in reason for meaning in DROPPINGS.values()), meaning


def test_case_makes_no_difference() -> None:
    """Cameras write IMG_1.JPG and people write **/*.jpg."""
    assert Matcher(make_rule(include=("**/*.jpg",))).matches("DCIM/IMG_1.JPG")


def test_negation_brings_a_dropping_back() -> None:
    """The last match wins, and the rule's patterns come after the defaults."""
    assert Matcher(make_rule(exclude=("!*.tmp",))).matches("a.tmp")


def test_negation_of_everything_leaves_the_reserved_names() -> None:
    """`!*` turns the defaults off as a whole, and runflowd's own files still stay out."""
    matcher = Matcher(make_rule(exclude=("!*",)))

    assert [matcher.matches(".a.tmp"), matcher.matches("a.failed.txt")] == [True, False]


def test_negation_does_not_reach_into_an_excluded_folder() -> None:
    """As in git: what lies in an excluded folder stays excluded."""
    assert not Matcher(make_rule(exclude=("!*.tmp",))).matches(".stversions/a.tmp")


@pytest.mark.parametrize(
    ("include", "path", "expected"),
    [
        ("shoes", "shoes/a.jpg", True),
        ("shoes/", "x/shoes/y/a.jpg", True),
        ("shoes/**", "shoes/red/a.jpg", True),
        ("shoes/**", "bags/a.jpg", False),
        ("/top.png", "top.png", True),
        ("/top.png", "x/top.png", False),
        ("IMG_*", "x/img_2.jpg", True),
        ("*/raw/*.jpg", "x/raw/a.jpg", True),
        ("*/raw/*.jpg", "x/y/raw/a.jpg", False),
        ("a?c.jpg", "abc.jpg", True),
        ("a*c", "abc", True),
        ("[ab].jpg", "c.jpg", False),
        ("*", "x/y", True),
    ],
)
def test_include_follows_gitignore(include: str, path: str, *, expected: bool) -> None:
    """Patterns mean what they mean in .gitignore."""
    assert expected is Matcher(make_rule(include=(include,))).matches(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.jpg", None),
        ("a.png", "no include pattern matches"),
        ("drafts/a.jpg", "excluded by drafts/"),
        ("x/.a.jpg", "ignored by default: .*, hidden files and folders"),
        ("#recycle/a.jpg", "ignored by default: #recycle, Synology recycle bin"),
        ("_runflow.yaml", "runflowd's own file (_runflow.yaml)"),
    ],
)
def test_refusal_says_why(path: str, expected: str | None) -> None:
    """Whoever wonders about a file gets the pattern and its meaning."""
    assert expected == Matcher(make_rule(include=("*.jpg",), exclude=("drafts/",))).why_not(path)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("", False), ("shoes", False), (".git", True), ("a/@eaDir", True), (".git/objects", True), ("old/x", True)],
)
def test_excluded_folders_are_pruned(folder: str, *, expected: bool) -> None:
    """A scan does not walk what it could not take."""
    assert expected is Matcher(make_rule(exclude=("old/**",))).prunes(folder)


@pytest.mark.parametrize("line", ["", "  ", "*.{jpg,png}", "#note", "!", "foo\\", "[z-a].jpg"])
def test_pattern_that_cannot_mean_anything_is_refused(line: str) -> None:
    """Each refusal is a sentence, not a silent no-match."""
    with pytest.raises(PatternError):
        pattern(line)


parts = st.text(alphabet="ab.~*?x", min_size=1, max_size=5)
lines = st.lists(parts, min_size=1, max_size=3).map("/".join)
names = st.text(alphabet="ab.~x", min_size=1, max_size=5).filter(lambda name: name.strip(".") != "")
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@given(st.lists(lines, min_size=1, max_size=4), paths)
def test_quick_answers_agree_with_pathspec(include: list[str], path: str) -> None:
    """The shortcuts for common shapes change the speed and nothing else."""
    assume(all("***" not in line for line in include))
    assume(Matcher(make_rule()).matches(path))
    expected = pathspec.PathSpec.from_lines("gitignore", include).match_file(path)

    assert expected is Matcher(make_rule(include=tuple(include))).matches(path)


@given(st.lists(lines, min_size=1, max_size=4), paths)
def test_excluded_by_pathspec_is_excluded_here(exclude: list[str], path: str) -> None:
    """Nothing that a plain exclude list covers is ever taken, and nothing else is lost to it."""
    assume(all("***" not in line for line in exclude))
    usual = Matcher(make_rule()).matches(path)
    excluded = pathspec.PathSpec.from_lines("gitignore", exclude).match_file(path)

    assert (usual and not excluded) is Matcher(make_rule(exclude=tuple(exclude))).matches(path)


@pytest.mark.parametrize("include", ["a*.jpg", "*.jpg", "[a].jpg", "a.jpg"])
def test_newline_at_the_end_of_a_name_is_part_of_the_name(include: str) -> None:
    """`a.jpg` with a newline behind it is another file than `a.jpg`."""
    assert not Matcher(make_rule(include=(include,))).matches("a.jpg\n")


@given(st.lists(lines, max_size=3), paths)
def test_pruned_folders_hold_no_match(exclude: list[str], path: str) -> None:
    """Pruning never loses a file."""
    matcher = Matcher(make_rule(exclude=tuple(exclude)))
    folder = path.rpartition("/")[0]

    assert not (matcher.prunes(folder) and matcher.matches(path))


def test_folder_answers_do_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree with more folders than are remembered is still answered right."""
    monkeypatch.setattr(rules, "_MANY_FOLDERS", 10)
    matcher = Matcher(make_rule())

    assert [matcher.matches(f"{number}/a.jpg") for number in range(50)] == [True] * 50
    assert len(matcher._excluded_folders) <= 13


def test_diff_names_what_was_added_removed_and_changed() -> None:
    """A reload knows what to start, what to retire and what to swap."""
    old = [make_rule("kept"), make_rule("gone"), make_rule("edited")]
    new = [make_rule("fresh"), make_rule("edited", settle=9.0), make_rule("kept")]

    changes = diff_rules(old, new)

    assert (changes.added, changes.removed, changes.changed) == (("fresh",), ("gone",), ("edited",))


def test_equal_rules_make_no_difference() -> None:
    """An edit of a comment reloads nothing."""
    assert not diff_rules([make_rule()], [make_rule()])


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/in/x/a.jpg", "x/a.jpg"), ("/in", None), ("/in/", None), ("/inside/a.jpg", None), ("/elsewhere", None)],
)
def test_owner_is_the_rule_whose_folder_holds_the_path(path: str, expected: str | None) -> None:
    """A folder whose name only begins alike owns nothing."""
    found = owner([make_rule()], path)

    assert expected == (found[1] if found else None)
