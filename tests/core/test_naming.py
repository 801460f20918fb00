"""Where results go, and that two inputs never meet there."""

from __future__ import annotations

import os
import posixpath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.model import Rule
from runflowd.core.naming import (
    EXTENSIONS,
    MAX_NAME_BYTES,
    UnsafePathError,
    collision_key,
    failure_note,
    marked,
    naming_problem,
    output_path,
)


def make_rule(**changes: Any) -> Rule:
    return Rule(**{"name": "studio", "watch": "/in", "output": "/out", "model": "a/b", "input": {}, **changes})


def size_of(path: str) -> int:
    return len(os.fsencode(posixpath.basename(path)))


class Folder:
    """An output folder that remembers which names are gone, the way the store does."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def place(self, relative: str, extension: str = "webp", **changes: Any) -> str:
        path = output_path(make_rule(**changes), relative, extension, taken=self.taken)
        self.keys.add(collision_key(path))
        return path

    def taken(self, path: str) -> bool:
        return collision_key(path) in self.keys


def test_result_mirrors_the_path_and_follows_the_content() -> None:
    """The folder is the source's, the extension the result's."""
    assert output_path(make_rule(), "shoes/red/a.jpg", "webp") == "shoes/red/a.webp"


@pytest.mark.parametrize(
    ("name", "relative", "expected"),
    [
        ("{stem}.{ext}", "a.tar.gz", "a.tar.png"),
        ("{stem}.{ext}", "noext", "noext.png"),
        ("{stem}.{ext}", ".rc", ".rc.png"),
        ("{stem}-white.{ext}", "x/a.jpg", "x/a-white.png"),
        ("{dir}_{stem}.{ext}", "x/shoes/a.jpg", "x/shoes/shoes_a.png"),
        ("{dir}_{stem}.{ext}", "a.jpg", "studio_a.png"),
        ("{rule}-{stem}-{index}.{ext}", "a.jpg", "studio-a-1.png"),
        ("{{{stem}}}.{ext}", "a.jpg", "{a}.png"),
        ("{stem}.{ext}", "{ext}{0}.jpg", "{ext}{0}.png"),
    ],
)
def test_name_pattern_is_filled_in(name: str, relative: str, expected: str) -> None:
    """Each field stands for one fact, and braces in a source's name are text."""
    assert expected == output_path(make_rule(naming=name), relative, "png")


def test_several_outputs_are_numbered_from_the_second() -> None:
    """The first output keeps the plain name, so that one output more does not rename it."""
    paths = [output_path(make_rule(), "a.jpg", "png", index, 3) for index in range(3)]

    assert paths == ["a.png", "a-2.png", "a-3.png"]


def test_index_in_the_pattern_replaces_the_numbering() -> None:
    """Who names the place of the number gets it there and nowhere else."""
    paths = [output_path(make_rule(naming="{index}_{stem}.{ext}"), "a.jpg", "png", index, 2) for index in range(2)]

    assert paths == ["1_a.png", "2_a.png"]


def test_second_input_with_the_same_result_names_its_own_kind() -> None:
    """`x.jpg` and `x.png` both give WebP and both stay."""
    folder = Folder()

    assert [folder.place("x.jpg"), folder.place("x.png")] == ["x.webp", "x (png).webp"]


def test_names_that_differ_in_case_do_not_meet() -> None:
    """The output may be shared with a file system that cannot tell A from a."""
    folder = Folder()

    assert [folder.place("A.jpg"), folder.place("a.jpg")] == ["A.webp", "a (jpg).webp"]


def test_names_that_differ_in_unicode_form_alone_do_not_meet() -> None:
    """The NFC and NFD spellings of one name look alike everywhere and are one name on macOS."""
    folder = Folder()

    assert folder.place("caf\u00e9.jpg") == "caf\u00e9.webp"
    assert folder.place("cafe\u0301.jpg") == "cafe\u0301 (jpg).webp"


def test_the_third_of_such_names_gets_a_hash_of_its_own_path() -> None:
    """Where kind does not tell inputs apart, their paths do."""
    folder = Folder()
    third = [folder.place(name) for name in ("AB.jpg", "Ab.jpg", "aB.jpg")][2]

    assert third.startswith("aB (jpg ")
    assert third == output_path(make_rule(), "aB.jpg", "webp", taken=lambda path: "(jpg " not in path)


def test_no_name_left_is_an_error_and_not_an_overwrite() -> None:
    """Rather no result than one on top of another."""
    with pytest.raises(UnsafePathError, match="every name it could get is taken"):
        output_path(make_rule(), "a.jpg", "png", taken=lambda _path: True)


@pytest.mark.parametrize(
    "relative", ["../a.jpg", "/etc/a.jpg", "a/../../b.jpg", "a//b.jpg", "", ".", "a/", "a\0.jpg", "a/."]
)
def test_path_that_could_escape_is_refused(relative: str) -> None:
    """A path is a list of ordinary names or it is nothing."""
    with pytest.raises(UnsafePathError, match="refused to make an output name"):
        output_path(make_rule(), relative, "png")
    with pytest.raises(UnsafePathError):
        failure_note(relative)


@pytest.mark.parametrize("extension", ["exe", "", "png/../x", ".png", "PNG"])
def test_extension_outside_the_table_is_refused(extension: str) -> None:
    """No string that a server could choose becomes part of a name."""
    with pytest.raises(UnsafePathError, match="not an extension"):
        output_path(make_rule(), "a.jpg", extension)


@pytest.mark.parametrize(("index", "count"), [(1, 1), (-1, 2), (0, 0)])
def test_output_that_does_not_exist_is_refused(index: int, count: int) -> None:
    """A wrong count is the caller's fault and is said so."""
    with pytest.raises(ValueError, match="does not exist"):
        output_path(make_rule(), "a.jpg", "png", index, count)


def test_long_name_is_cut_at_a_character_and_marked() -> None:
    """255 bytes is the limit of the file system, and half a character is not text."""
    path = output_path(make_rule(), "é" * 126 + ".jpg", "webp")

    assert size_of(path) <= MAX_NAME_BYTES
    assert path.startswith("é" * 100)
    assert path.endswith(".webp")
    assert path.encode()


def test_long_names_that_begin_alike_stay_apart() -> None:
    """The mark is a hash of the whole name, not of what is left of it."""
    first, second = ("x" * 249 + mark + ".jpg" for mark in "ab")

    assert output_path(make_rule(), first, "webp") != output_path(make_rule(), second, "webp")


def test_failure_note_lies_where_the_result_would() -> None:
    """Whoever misses a result finds the reason in its place."""
    assert failure_note("shoes/a.jpg") == "shoes/a.jpg.failed.txt"


@pytest.mark.parametrize("pattern", ["{stem}.{ext}", "{rule}-{stem}_{index}.{ext}", "{dir} {stem}.{ext}"])
def test_good_name_pattern_has_no_problem(pattern: str) -> None:
    """What the documentation shows is accepted."""
    assert naming_problem(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{stem", "unbalanced braces"),
        ("{name}.{ext}", "unknown field {name}"),
        ("{stem.__class__}.{ext}", "unknown field"),
        ("{stem:>9}.{ext}", "plain fields only"),
        ("{stem!r}.{ext}", "plain fields only"),
        ("result.{ext}", "must hold {stem}"),
        ("{stem}.png", "must hold {stem}"),
        ("{stem}{ext}.{ext}", "must hold {stem}"),
        ("a/{stem}.{ext}", "no slash"),
        ("..\\{stem}.{ext}", "no slash"),
        (".{stem}.{ext}", "starts with a dot"),
        ("{}.{ext}", "unknown field"),
    ],
)
def test_bad_name_pattern_says_what_is_wrong(pattern: str, expected: str) -> None:
    """A pattern that could lose, hide or move results is refused at load."""
    assert expected in naming_problem(pattern)


name = st.text(alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=80)
odd_bytes = (
    st.binary(min_size=1, max_size=255).map(os.fsdecode).filter(lambda text: "/" not in text and "\0" not in text)
)
part = st.one_of(
    name, odd_bytes, st.sampled_from(["a.jpg", "A.JPG", "a.png", "é.jpg", "e\u0301.jpg", "x" * 251 + ".jpg"])
)
relative = st.lists(part.filter(lambda text: text not in {".", ".."}), min_size=1, max_size=3).map("/".join)
extension = st.sampled_from(sorted(EXTENSIONS.values()))
patterns = st.sampled_from(["{stem}.{ext}", "{dir}-{stem}.{ext}", "{stem}{index}.{ext}", "y" * 300 + "{stem}.{ext}"])


@given(relative, extension, patterns)
def test_result_stays_in_its_folder_and_fits(relative: str, extension: str, pattern: str) -> None:
    """Law: under the root, in the mirrored folder, at most 255 bytes, of the given type."""
    path = output_path(make_rule(naming=pattern), relative, extension)

    assert posixpath.dirname(relative) == posixpath.dirname(path)
    assert posixpath.normpath(f"/root/{path}").startswith("/root/")
    assert size_of(path) <= MAX_NAME_BYTES
    assert path.endswith(f".{extension}")


@given(st.lists(relative, unique=True, max_size=8), extension, patterns)
def test_two_inputs_never_share_a_result(inputs: list[str], extension: str, pattern: str) -> None:
    """Law: distinct inputs have distinct results, even where case and Unicode form do not count."""
    folder = Folder()
    keys = [collision_key(folder.place(each, extension, naming=pattern)) for each in inputs]

    assert len(set(keys)) == len(inputs)


@given(st.lists(relative, unique=True, max_size=6), extension)
def test_same_order_gives_the_same_names(inputs: list[str], extension: str) -> None:
    """Law: a restart decides as the first run did."""
    first, second = Folder(), Folder()

    assert [first.place(each, extension) for each in inputs] == [second.place(each, extension) for each in inputs]


@given(relative)
def test_failure_note_fits(relative: str) -> None:
    """Law: a note can be written wherever the source could."""
    note = failure_note(relative)

    assert size_of(note) <= MAX_NAME_BYTES
    assert note.endswith(".failed.txt")


@given(st.text(max_size=40))
def test_collision_key_is_stable(text: str) -> None:
    """Law: folding twice changes nothing, or equal names could have different keys."""
    assert collision_key(text) == collision_key(collision_key(text))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.jpg", "a~1f.jpg"),
        ("x/y.z/a.b.JPG", "x/y.z/a.b~1f.JPG"),
        ("x/noextension", "x/noextension~1f"),
        (".jpg", ".jpg~1f"),
        ("a.not an extension", "a.not an extension~1f"),
    ],
)
def test_a_mark_goes_before_the_extension(path: str, expected: str) -> None:
    """The kind of a file is still to be seen."""
    assert expected == marked(path, "1f")


@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255).filter(
        lambda name: size_of(name) <= 255
    )
)
def test_a_marked_name_is_never_too_long(name: str) -> None:
    """And never the name it was."""
    found = marked(f"x/{name}", "1a2b3c4d")

    assert (True, True) == (size_of(found) <= MAX_NAME_BYTES, found != f"x/{name}")
