"""Which files a rule takes, and why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pathspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from runflowd.core import matcher as module
from runflowd.core.droppings import DROPPINGS
from runflowd.core.model import Rule
from runflowd.core.patterns import PatternError, pattern


def make_rule(name: str = "studio", **changes: Any) -> Rule:
    return Rule(**{"name": name, "watch": "/in", "output": "/out", "model": "a/b", "input": {}, **changes})


@pytest.mark.parametrize(
    "path", ["a.jpg", "x/y/a.png", "shoes/A b.JPG", "~x/a.jpg", "part/a.jpg", "a\nb.jpg", "\udcff.jpg"]
)
def test_default_rule_takes_every_ordinary_file(path: str) -> None:
    """Without include and exclude, whatever is dropped is taken."""
    assert make_rule().matcher.matches(path)


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
    assert not make_rule().matcher.matches(path)


@pytest.mark.parametrize("path", ["_runflow.yaml", "x/_RUNFLOW.yaml", "a.jpg.failed.txt", ".runflowd-12.part"])
def test_own_files_are_ignored_whatever_the_rule_says(path: str) -> None:
    """No pattern can make runflowd buy its own notes."""
    rule = make_rule(exclude=("!_runflow.yaml", "!*.failed.txt", "!.*", "!*.part"))

    assert not rule.matcher.matches(path)


def test_every_dropping_is_refused_with_its_meaning() -> None:
    """The list that `check` prints is the list that works."""
    matcher = make_rule().matcher

    for line, meaning in DROPPINGS.items():
        reason = matcher.why_not(line.replace("*", "x") + "/a.jpg")
        assert reason is not None
        assert "ignored by default" in reason, line
        assert any(meaning in reason for meaning in DROPPINGS.values()), meaning


def test_case_makes_no_difference() -> None:
    """Cameras write IMG_1.JPG and people write **/*.jpg."""
    assert make_rule(include=("**/*.jpg",)).matcher.matches("DCIM/IMG_1.JPG")


def test_negation_brings_a_dropping_back() -> None:
    """The last match wins, and the rule's patterns come after the defaults."""
    assert make_rule(exclude=("!*.tmp",)).matcher.matches("a.tmp")


@pytest.mark.parametrize(
    "path",
    [
        "#snapshot/2026-01-01/a.jpg",
        "shoes/#recycle/a.jpg",
        "@Recycle/a.jpg",
        ".zfs/snapshot/daily/a.jpg",
        ".snapshot/hourly.0/a.jpg",
        "~snapshot/a.jpg",
        "System Volume Information/a.jpg",
        "__MACOSX/._a.jpg",
        ".AppleDouble/a.jpg",
        "a.xmp",
        "IMG_1.AAE",
        "IMG_1.CR2",
        "a.nef",
        "DCIM/a.dng",
        "GX010001.THM",
        ".a.jpg.Xk2p9Q",
    ],
)
@pytest.mark.parametrize(
    "wild", [{"include": ("**/*", "**/*.jpg", "*", "**/*.*", "*/**/*.jpg", "**")}, {"exclude": ("!*", "!**/*", "!*.*")}]
)
def test_no_wildcard_brings_a_dropping_in(path: str, wild: dict[str, Any]) -> None:
    """What lies in snapshots, bins and beside photos is not what the pattern's author meant (scenario 141)."""
    matcher = make_rule(**wild).matcher

    assert not matcher.matches(path)
    assert matcher.why_not(path) is not None


@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        ({"include": ("*.dng",)}, "x/a.DNG", True),
        ({"include": ("**/*.jpg", "*.xmp")}, "a.xmp", True),
        ({"include": ("**/*.jpg", "*.xmp")}, "a.aae", False),
        ({"include": (r"\#snapshot/**",)}, "#snapshot/x/a.jpg", True),
        ({"include": (r"**/\#snapshot/*.jpg",)}, "shoes/#snapshot/a.jpg", True),
        ({"include": ("**/*.jpg", r"\#snapshot/new/*")}, "#snapshot/old/a.jpg", False),
        ({"include": ("**/*.jpg", r"\#snapshot/new/*")}, "#snapshot/new/a.jpg", True),
        ({"include": (r"\#snapshot",)}, "#snapshot/a.cr2", False),
        ({"include": (r"\#snapshot/*.cr2",)}, "#snapshot/a.cr2", True),
        ({"include": ("@eadir/*.jpg",)}, "@eaDir/a.jpg", True),
        ({"include": (".zfs/snapshot/**", "!*.png")}, ".zfs/snapshot/a.png", False),
        ({"include": (".hidden/*",)}, ".hidden/a.jpg", True),
        ({"include": (".hidden/*",)}, ".hidden/.zfs/a.jpg", False),
        ({"exclude": ("!#recycle",)}, "#recycle/a.jpg", True),
        ({"exclude": ("!#recycle", "!*.tmp")}, "#recycle/a.tmp", True),
        ({"exclude": ("!*.tmp", "*.tmp")}, "a.tmp", False),
    ],
)
def test_a_pattern_that_spells_a_dropping_out_brings_it_in(rule: dict[str, Any], path: str, *, expected: bool) -> None:
    """Whoever names the folder or the suffix means it, and nothing beside it (scenario 141)."""
    matcher = make_rule(**rule).matcher

    assert expected is matcher.matches(path)
    assert expected is not matcher.prunes(path.rpartition("/")[0]) or not expected


@pytest.mark.parametrize(
    ("include", "path", "expected"),
    [
        (("**/*",), "a.JPG", True),
        (("**/*",), "a.pdf", False),
        (("**/*",), "README", False),
        (("*.pdf",), "x/a.PDF", True),
        (("**/*", "*.pdf"), "a.pdf", True),
        (("README",), "README", True),
        (("scan*",), "scan0001", False),
    ],
)
def test_a_name_promises_an_image_by_its_suffix_or_by_a_pattern(
    include: tuple[str, ...], path: str, *, expected: bool
) -> None:
    """Only then is somebody told that it is none (scenario 141)."""
    assert expected is make_rule(include=include).matcher.promises(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("x/a.CR2", "*.cr2"), ("#snapshot/", "#snapshot"), (".DS_Store", ".*"), ("a.jpg", ""), ("a.failed.txt", "")],
)
def test_a_dropping_is_reported_by_the_pattern_that_it_is_counted_under(path: str, expected: str) -> None:
    """So that a hundred thousand of them are one line (scenario 141)."""
    assert expected == make_rule().matcher.dropping(path)


def test_negation_does_not_reach_into_an_excluded_folder() -> None:
    """As in git: what lies in an excluded folder stays excluded."""
    assert not make_rule(exclude=("!*.tmp",)).matcher.matches(".stversions/a.tmp")


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
    assert expected is make_rule(include=(include,)).matcher.matches(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.jpg", None),
        ("a.png", "no include pattern matches"),
        ("drafts/a.jpg", "excluded by drafts/"),
        ("x/.a.jpg", "ignored by default: .*, hidden files and folders"),
        ("#recycle/a.jpg", "ignored by default: #recycle, Synology recycle bin"),
        ("x/_runflow.yaml", "runflowd's own file (_runflow.yaml)"),
        ("_Runflow.YAML", "settings under another name than _runflow.yaml, which are not read (_Runflow.YAML)"),
        ("x/_runflow.yml", "settings under another name than _runflow.yaml, which are not read (_runflow.yml)"),
        ("a.jpg.failed.txt", "runflowd's own file (*.failed.txt)"),
    ],
)
def test_refusal_says_why(path: str, expected: str | None) -> None:
    """Whoever wonders about a file gets the pattern and its meaning."""
    assert expected == make_rule(include=("*.jpg",), exclude=("drafts/",)).matcher.why_not(path)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("", False), ("shoes", False), (".git", True), ("a/@eaDir", True), (".git/objects", True), ("old/x", True)],
)
def test_excluded_folders_are_pruned(folder: str, *, expected: bool) -> None:
    """A scan does not walk what it could not take."""
    assert expected is make_rule(exclude=("old/**",)).matcher.prunes(folder)


@pytest.mark.parametrize("line", ["", "  ", "*.{jpg,png}", "#note", "!", "foo\\", "[z-a].jpg"])
def test_pattern_that_cannot_mean_anything_is_refused(line: str) -> None:
    """Each refusal is a sentence, not a silent no-match."""
    with pytest.raises(PatternError):
        pattern(line)


@pytest.mark.parametrize("line", [r".*\.jpg$", r"^IMG", r"IMG_\d+.jpg", ".*jpg$", "(a|b)*", r"!^x", "[a-z]+.jpg"])
def test_a_regular_expression_is_no_pattern(line: str) -> None:
    """It would match nothing, silently."""
    with pytest.raises(PatternError, match="is a regular expression"):
        pattern(line)


@pytest.mark.parametrize(
    "line", [".*", "*.jpg", r"\#recycle", "photos (1)", "$RECYCLE.BIN", "a|b.png", "cost$", "a^b", ".*.swp"]
)
def test_signs_of_regular_expressions_may_stand_in_names(line: str) -> None:
    """Only what could not be meant as a name is refused."""
    assert line == pattern(line).line


parts = st.text(alphabet="ab.~*?x", min_size=1, max_size=5)
lines = st.lists(parts, min_size=1, max_size=3).map("/".join)
names = st.text(alphabet="ab.~x", min_size=1, max_size=5).filter(lambda name: name.strip(".") != "")
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@given(st.lists(lines, min_size=1, max_size=4), paths)
@example(["?/*"], "a/a/a")
def test_quick_answers_agree_with_pathspec(include: list[str], path: str) -> None:
    """The shortcuts for common shapes change the speed and nothing else.

    The judge is pathspec's copy of git: what lies in a folder that `a/*` covers is covered, too.
    """
    assume(all("***" not in line for line in include))
    assume(make_rule().matcher.matches(path))
    expected = pathspec.GitIgnoreSpec.from_lines(include).match_file(path)

    assert expected is make_rule(include=tuple(include)).matcher.matches(path)


@given(st.lists(lines, min_size=1, max_size=4), paths)
def test_excluded_by_pathspec_is_excluded_here(exclude: list[str], path: str) -> None:
    """Nothing that a plain exclude list covers is ever taken, and nothing else is lost to it."""
    assume(all("***" not in line for line in exclude))
    usual = make_rule().matcher.matches(path)
    excluded = pathspec.GitIgnoreSpec.from_lines(exclude).match_file(path)

    assert (usual and not excluded) is make_rule(exclude=tuple(exclude)).matcher.matches(path)


@pytest.mark.parametrize("include", ["a*.jpg", "*.jpg", "[a].jpg", "a.jpg"])
def test_newline_at_the_end_of_a_name_is_part_of_the_name(include: str) -> None:
    """`a.jpg` with a newline behind it is another file than `a.jpg`."""
    assert not make_rule(include=(include,)).matcher.matches("a.jpg\n")


@given(st.lists(lines, max_size=3), paths)
def test_pruned_folders_hold_no_match(exclude: list[str], path: str) -> None:
    """Pruning never loses a file."""
    matcher = make_rule(exclude=tuple(exclude)).matcher
    folder = path.rpartition("/")[0]

    assert not (matcher.prunes(folder) and matcher.matches(path))


def test_folder_answers_do_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree with more folders than are remembered is still answered right."""
    monkeypatch.setattr(module, "_MANY_FOLDERS", 10)
    matcher = make_rule().matcher

    assert [matcher.matches(f"{number}/a.jpg") for number in range(50)] == [True] * 50
    assert len(matcher._folders) <= 13


def test_a_pattern_is_compiled_once() -> None:
    """The check of a configuration asks for it, and then the rule."""
    assert pattern("shoes/**/[ab]*.jpg") is pattern("shoes/**/[ab]*.jpg")


def test_a_rule_is_parsed_once() -> None:
    """Several parts of the program ask, some of them for every file."""
    rule = make_rule()

    assert (rule.matcher, rule.template) == (rule.matcher, rule.template)


def test_rules_are_compared_by_what_is_written() -> None:
    """A reload tells by that what was edited, however long the rule has been in use."""
    used = make_rule(include=("*.jpg",))
    assert used.matcher.matches("a.jpg")

    assert make_rule(include=("*.jpg",)) == used
    assert make_rule(include=("*.png",)) != used
    assert not replace(used, include=("*.png",)).matcher.matches("a.jpg")
