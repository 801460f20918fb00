"""What is bought, and that names are data."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.recipe import (
    FILE_URL,
    BatchItem,
    FileFacts,
    UnknownUrlError,
    bind,
    canonical_json,
    guide_body,
    placeholders,
    recipe_hash,
    reference_body,
    references_in,
    resolve,
    run_body,
    sends_the_file,
    symbols,
    template_problems,
)

FACTS = FileFacts("shoes/red/a.b.jpg")
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
    assert {"x": expected} == bind(resolve({"x": template}, FACTS), {FILE_URL: URL})


def test_placeholders_work_at_any_depth_and_keys_do_not() -> None:
    """Lists and nested mappings are filled in; numbers, booleans and keys stay as they are."""
    template = {"${file.name}": [{"deep": ["${file.stem}", 3, True, None, 0.5]}]}

    assert bind(resolve(template, FACTS), {}) == {"${file.name}": [{"deep": ["a.b", 3, True, None, 0.5]}]}


def test_url_stays_symbolic_until_bound() -> None:
    """What is stored and hashed holds no address, since addresses expire."""
    symbolic = resolve({"image_url": "${file.url}", "logo": "${files.logo.url}"}, FACTS)

    assert symbolic == {"image_url": "${file.url}", "logo": "${files.logo.url}"}
    assert {"file.url", "files.logo.url"} == symbols(symbolic)


def test_file_at_the_top_has_no_folder() -> None:
    """The folder of a file in the watched folder itself is empty text."""
    assert FileFacts("a.jpg").value("file.dir") == ""


def test_hidden_name_is_its_own_stem() -> None:
    """A leading dot starts no extension."""
    assert FileFacts(".rc").value("file.stem") == ".rc"


def test_name_that_is_no_text_is_sent_as_text() -> None:
    """Bytes that are not UTF-8 show as the replacement character, so that the body is valid JSON."""
    assert FileFacts("a\udcff.jpg").value("file.stem") == "a\N{REPLACEMENT CHARACTER}"


def test_name_is_sent_in_one_unicode_form() -> None:
    """A Mac's spelling of a name makes no other recipe than Linux' spelling."""
    assert FileFacts("cafe\u0301.jpg").value("file.stem") == "caf\u00e9"


def test_overrides_replace_keys_and_are_templates_too() -> None:
    """A folder's own prompt may use the placeholders that the rule's may use."""
    symbolic = resolve({"prompt": "white", "image_url": "${file.url}"}, FACTS, {"prompt": "${file.dir} on grey"})

    assert symbolic == {"prompt": "shoes/red on grey", "image_url": "${file.url}"}


@given(st.text(alphabet="${}file.url$stem/ab", min_size=1, max_size=30).filter(lambda text: text.strip("/")))
def test_names_are_never_expanded(stem: str) -> None:
    """Law: whatever a file is called, its name comes out as it went in."""
    path = "/".join(part for part in stem.split("/") if part)
    bound = bind(resolve({"x": "${file.path}|${file.url}${file.path}"}, FileFacts(path)), {FILE_URL: "URL"})

    assert {"x": f"{path}|URL{path}"} == bound


@given(st.text(alphabet="${}ab", max_size=12))
def test_addresses_are_never_expanded(url: str) -> None:
    """Law: what a server puts into an address is data as well."""
    assert {"x": f"{url}{url}"} == bind(resolve({"x": "${file.url}${file.url}"}, FACTS), {FILE_URL: url})


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


def test_recipe_has_one_name_whatever_the_order_of_keys() -> None:
    """The order in which people write keys changes nothing that is bought."""
    first = recipe_hash("a/b", {"x": 1, "y": 2}, "", {})

    assert first == recipe_hash("a/b", {"y": 2, "x": 1}, "", {})


@pytest.mark.parametrize(
    "changed",
    [
        ("a/c", {"x": "${files.logo.url}"}, "", {"logo": "h1"}),
        ("a/b", {"x": "${files.logo.url} "}, "", {"logo": "h1"}),
        ("a/b", {"x": "${files.logo.url}"}, "result_*", {"logo": "h1"}),
        ("a/b", {"x": "${files.logo.url}"}, "", {"logo": "h2"}),
    ],
)
def test_recipe_changes_with_what_is_bought(changed: tuple[str, Any, str, dict[str, str]]) -> None:
    """Model, input, selection and the content of a reference each make another recipe."""
    usual = recipe_hash("a/b", {"x": "${files.logo.url}"}, "", {"logo": "h1"})

    assert usual != recipe_hash(*changed)


def test_reference_that_is_not_used_does_not_count() -> None:
    """A changed file that no input mentions buys nothing anew."""
    assert recipe_hash("a/b", {"x": 1}, "", {"logo": "h1"}) == recipe_hash("a/b", {"x": 1}, "", {"logo": "h2"})


def test_recipe_name_does_not_change_between_versions() -> None:
    """A new spelling would buy every image again: change this text only with a migration."""
    spelled = '{"input":{"image_url":"${file.url}","prompt":"é"},"model":"a/b","references":{},"select":""}'
    expected = hashlib.sha256(spelled.encode()).hexdigest()

    assert expected == recipe_hash("a/b", {"image_url": "${file.url}", "prompt": "é"}, "", {})


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    """NaN would reach the service as a syntax error."""
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})


ITEMS = [BatchItem("r1", {"image_url": "u1"}), BatchItem("r2", {"image_url": "u2"})]


def test_guide_body_wraps_each_input() -> None:
    """The body of the guide "Batch process media"."""
    expected = {
        "items": [
            {"input": {"image_url": "u1"}, "client_ref": "r1"},
            {"input": {"image_url": "u2"}, "client_ref": "r2"},
        ],
        "metadata": {"by": "runflowd"},
        "callback_url": "https://x.example.com",
    }

    assert expected == json.loads(guide_body(ITEMS, {"by": "runflowd"}, "https://x.example.com"))


def test_reference_body_is_flat() -> None:
    """The body of the API reference; empty parts are left out."""
    expected = {"input": [{"image_url": "u1", "client_ref": "r1"}, {"image_url": "u2", "client_ref": "r2"}]}

    assert expected == json.loads(reference_body(ITEMS))


def test_run_body_holds_one_item() -> None:
    """The fallback for models that take no batches."""
    assert json.loads(run_body(ITEMS[0])) == {"input": {"image_url": "u1"}, "client_ref": "r1"}


def test_same_items_give_the_same_bytes() -> None:
    """An idempotency key belongs to bytes, so a repeat must not differ in one."""
    turned = [BatchItem("r1", {"b": 1, "a": "é"})], [BatchItem("r1", {"a": "é", "b": 1})]

    assert guide_body(turned[0]) == guide_body(turned[1])


@pytest.mark.parametrize("items", [[], [ITEMS[0]] * 101, [BatchItem("r" * 256, {})]])
def test_body_the_service_would_refuse_is_refused_here(items: list[BatchItem]) -> None:
    """1 to 100 items, references of at most 255 characters."""
    with pytest.raises(ValueError, match=r"a batch takes|client_ref"):
        reference_body(items)


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

    assert resolve(template, FileFacts("a.jpg")) == template
