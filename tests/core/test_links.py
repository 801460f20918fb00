"""How long a link may be used, and which failures are a link's."""

from __future__ import annotations

from typing import Any

import pytest

from runflowd.core.links import (
    UNTIL_LEARNT,
    ages,
    input_was_unreadable,
    is_fresh,
    life_ended,
    refuses_references,
    shorter,
    stated_life,
    usable_for,
    was_too_old,
)

NOW = 1_800_000_000.0
HOST = "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/x.jpg"
INPUT = {"image_url": "${file.url}", "prompt": "white"}


@pytest.mark.parametrize(
    ("query", "life"),
    [
        ("X-Amz-Date=20270115T080000Z&X-Amz-Expires=604800&X-Amz-Signature=0", 604_800.0),
        ("X-Goog-Expires=900", 900.0),
        (f"Expires={NOW + 300:.0f}&Signature=x&Key-Pair-Id=k", 300.0),
        (f"AWSAccessKeyId=A&Expires={NOW + 60:.0f}", 60.0),
        (f"expires={NOW + 60:.0f}&X-Amz-Expires=3600", 60.0),
        ("sv=2023&se=2027-01-15T08%3A30%3A00Z&sig=x", 1_800.0),
        ("expires=3600", None),
        (f"Expires={NOW - 5:.0f}", None),
        ("se=whenever", None),
        ("X-Amz-Expires=-5", None),
        ("X-Amz-Expires=" + "9" * 400, None),
        ("", None),
    ],
)
def test_a_signed_link_tells_its_life(query: str, life: float | None) -> None:
    """In the forms of the usual storages; nonsense tells nothing (scenario 134)."""
    assert life == stated_life(f"{HOST}?{query}", NOW)


def test_a_link_that_is_none_tells_nothing() -> None:
    """Server data is hostile."""
    assert (None, None) == (stated_life("https://[oops", NOW), stated_life("runflow://assets/1", NOW))


@pytest.mark.parametrize(
    ("made_at", "life", "fresh"),
    [
        (None, 1.0, True),
        (NOW, None, True),
        (NOW - UNTIL_LEARNT + 1, None, True),
        (NOW - UNTIL_LEARNT, None, False),
        (NOW - 29, 60.0, True),
        (NOW - 30, 60.0, False),
        (NOW - 86_400, 7 * 86_400.0, True),
        (NOW + 5, None, False),
    ],
)
def test_a_link_is_sent_while_it_is_young(made_at: float | None, life: float | None, fresh: bool) -> None:
    """Ten minutes while nothing is known, then half of the shortest life seen; a clock set back proves nothing."""
    assert fresh is is_fresh(made_at, life, NOW)


def test_lives_are_learnt_downwards_and_never_to_nothing() -> None:
    """A link that ended tells how long it lived at most, and never lengthens what is trusted unseen."""
    assert [60.0, 60.0, 30.0, 10.0] == [shorter(None, 60), shorter(60, 90), shorter(60, 30), shorter(60, 1)]
    assert [None, None, 40.0] == [life_ended(None, NOW), life_ended(NOW + 1, NOW), life_ended(NOW - 40, NOW)]
    assert UNTIL_LEARNT == usable_for(life_ended(NOW - 86_400, NOW))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("INPUT_DOWNLOAD_FAILED", ""),
        ("input_not_found", "gone"),
        ("ASSET_EXPIRED", ""),
        ("DOWNLOAD_FAILED", ""),
        ("", "403 Client Error: Forbidden for url: https://storage.runflow.io/x.jpg"),
        ("", "this asset URL has expired or was not signed by this service; read the asset for a fresh one"),
        ("PROVIDER_ERROR", "failed to download image: HTTP 404 Not Found"),
        ("INPUT_VALIDATION_FAILED", "image_url: could not fetch https://host/x.jpg (status 410)"),
        ("", "AccessDenied: the presigned request has expired"),
    ],
)
def test_words_that_speak_of_a_closed_link_are_ours(code: str, message: str) -> None:
    """Whichever words a service has for it (scenario 134)."""
    assert input_was_unreadable(INPUT, code, message)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("INPUT_VALIDATION_FAILED", "image dimensions exceed 4096x4096"),
        ("NO_SUBJECT_FOUND", "no subject was found in the image"),
        ("", "face not found in the input image"),
        ("UNREADABLE_IMAGE", "cannot identify image file"),
        ("MODEL_NOT_FOUND", "the model was not found"),
        ("OUTPUT_DOWNLOAD_FAILED", "could not download the result: 403"),
        ("", "the model weights could not be fetched: 404 not found"),
        ("PROVIDER_ERROR", "The model failed on this image."),
        ("", ""),
    ],
)
def test_other_failures_are_the_file_s(code: str, message: str) -> None:
    """They would fail again."""
    assert not input_was_unreadable(INPUT, code, message)


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ({"image_url": "https://shop.example/a.jpg"}, False),
        ({"image_url": "${file.url}", "logo_url": "https://shop.example/logo.png?v=1"}, False),
        ({"image_url": "${zip.url}"}, True),
        ({"images": ["${file.url}", "${files.logo.url}"]}, True),
        ({"prompt": "$${file.url}"}, False),
    ],
)
def test_a_link_that_the_rule_gives_is_the_rule_s(given: dict[str, Any], ours: bool) -> None:
    """Only what was uploaded here can be given a fresh link."""
    assert ours is input_was_unreadable(given, "", "cannot download https://shop.example/logo.png: 404 not found")


def test_age_and_references_are_recognised_from_words() -> None:
    """A file that is gone says nothing of the life of links; one source has the words for a refused reference."""
    assert (True, True, False) == (was_too_old("", "403"), was_too_old("LINK_EXPIRED", ""), was_too_old("", "404"))
    assert refuses_references("image_url: media URL must use HTTP(S) or data URI, got 'runflow'")
    assert not refuses_references("runflow://assets/1: there is no such asset")
    assert (False, True) == (ages("runflow://assets/1"), ages(HOST))
