"""A template is filled in for one file, and names are data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.template import (
    FILE_URL,
    Template,
    UnknownUrlError,
    bind,
    file_facts,
    placeholders,
    references_in,
    sends_the_file,
    symbols,
    template_problems,
)

PATH = "shoes/red/a.b.jpg"
URL = "https://cdn.example.com/x?sig=$1${file.name}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${file.name}", "a.b.jpg"),
        ("${file.stem}", "a.b"),
        ("${file.dir}", "shoes/red"),
        ("${file.path}", "shoes/red/a.b.jpg"),
        ("${file.url}", URL),
        ("see ${file.url} of ${file.stem}!", f"see {URL} of a.b!"),
        ("costs $5 or $${file.name}", "costs $5 or ${file.name}"),
        ("$$${file.stem}", "$${file.stem}"),
        ("", ""),
        ("$", "$"),
    ],
)
def test_placeholder_is_filled_in(template: str, expected: str) -> None:
    """Each placeholder stands for one fact, and $${ for itself."""
    assert {"x": expected} == bind(Template({"x": template}).resolve(PATH), {FILE_URL: URL})


def test_placeholders_work_at_any_depth_and_keys_do_not() -> None:
    """Lists and nested mappings are filled in; numbers, booleans and keys stay as they are."""
    template = {"${file.name}": [{"deep": ["${file.stem}", 3, True, None, 0.5]}]}

    assert bind(Template(template).resolve(PATH), {}) == {"${file.name}": [{"deep": ["a.b", 3, True, None, 0.5]}]}


def test_url_stays_symbolic_until_bound() -> None:
    """What is stored and hashed holds no address, since addresses expire."""
    symbolic = Template({"image_url": "${file.url}", "logo": "${files.logo.url}"}).resolve(PATH)

    assert symbolic == {"image_url": "${file.url}", "logo": "${files.logo.url}"}
    assert {"file.url", "files.logo.url"} == symbols(symbolic)


def test_file_at_the_top_has_no_folder() -> None:
    """The folder of a file in the watched folder itself is empty text."""
    assert file_facts("a.jpg")["dir"] == ""


def test_hidden_name_is_its_own_stem() -> None:
    """A leading dot starts no extension."""
    assert file_facts(".rc")["stem"] == ".rc"


def test_name_that_is_no_text_is_sent_as_text() -> None:
    """Bytes that are not UTF-8 show as the replacement character, so that the body is valid JSON."""
    assert file_facts("a\udcff.jpg")["stem"] == "a\N{REPLACEMENT CHARACTER}"


def test_name_is_sent_in_one_unicode_form() -> None:
    """A Mac's spelling of a name makes no other recipe than Linux' spelling."""
    assert file_facts("cafe\u0301.jpg")["stem"] == "caf\u00e9"


def test_overrides_replace_keys_and_are_templates_too() -> None:
    """A folder's own prompt may use the placeholders that the rule's may use."""
    template = Template({"prompt": "white", "image_url": "${file.url}"})
    symbolic = template.resolve(PATH, {"prompt": "${file.dir} on grey"})

    assert symbolic == {"prompt": "shoes/red on grey", "image_url": "${file.url}"}


@given(st.text(alphabet="${}file.url$stem/ab", min_size=1, max_size=30).filter(lambda text: text.strip("/")))
def test_names_are_never_expanded(stem: str) -> None:
    """Law: whatever a file is called, its name comes out as it went in."""
    path = "/".join(part for part in stem.split("/") if part)
    bound = bind(Template({"x": "${file.path}|${file.url}${file.path}"}).resolve(path), {FILE_URL: "URL"})

    assert {"x": f"{path}|URL{path}"} == bound


@given(st.text(alphabet="${}ab", max_size=12))
def test_addresses_are_never_expanded(url: str) -> None:
    """Law: what a server puts into an address is data as well."""
    assert {"x": f"{url}{url}"} == bind(Template({"x": "${file.url}${file.url}"}).resolve(PATH), {FILE_URL: url})


def test_missing_address_is_the_callers_fault() -> None:
    """A half-bound input is never posted."""
    with pytest.raises(UnknownUrlError, match=r"files\.logo\.url"):
        bind({"x": "${files.logo.url}"}, {FILE_URL: "u"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${file.ulr}", "did you mean ${file.url}?"),
        ("${files.lgo.url}", "did you mean ${files.logo.url}?"),
        ("${HOME}", "write $${ for a plain ${"),
        ("${file.url", "never closed"),
        ("${}", "unknown placeholder ${}"),
    ],
)
def test_wrong_placeholder_is_a_problem_with_a_remedy(text: str, expected: str) -> None:
    """The place and the sentence are enough to mend it."""
    ((path, sentence),) = template_problems({"a": [1, {"b": text}]}, ["logo"])

    assert path == ("a", 1, "b")
    assert expected in sentence


def test_right_template_has_no_problems() -> None:
    """Escapes and known placeholders pass."""
    template = {"a": "$${x} ${file.url} $5 ${files.logo.url}", "b": ["${file.dir}"]}

    assert template_problems(template, ["logo"]) == []
    assert {"file.url", "files.logo.url", "file.dir"} == placeholders(template)


def test_an_archive_brings_the_file_too() -> None:
    """A model that takes a zip needs no `${file.url}` of its own."""
    assert sends_the_file(placeholders({"zip_url": "${zip.url}", "file_image": "${zip.file}"}))


def test_references_count_however_they_travel() -> None:
    """By an address of their own or inside the archive, a changed reference is a changed recipe."""
    names = placeholders({"a": "${files.logo.url}", "b": ["${zip.files.backdrop}"], "c": "${file.url}"})

    assert references_in(names) == {"logo", "backdrop"}


def test_the_names_inside_an_archive_stay_symbolic() -> None:
    """They depend on the type of the file, which only its bytes tell."""
    template = {"zip_url": "${zip.url}", "file_image": "${zip.file}", "file_reference": "${zip.files.look}"}

    assert Template(template).resolve("a.jpg") == template
