"""Which kinds of file a rule takes that does not say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runflowd.core.media.kinds import MediaKind, default_kinds, kind_of_input

if TYPE_CHECKING:
    from runflowd.core.model import Json

URL = "${file.url}"


@pytest.mark.parametrize(
    ("template", "kinds"),
    [
        ({"image_url": URL}, "image"),
        ({"start_image_url": URL, "prompt": "video of ${file.stem}"}, "image"),
        ({"reference_image_urls": [URL]}, "image"),
        ({"video_url": URL}, "video"),
        ({"inputs": {"audio_url": URL}}, "audio"),
        ({"video_url": URL, "still_image_url": URL}, "image video"),
        ({"pdf_url": URL}, "document"),
        ({"mesh_url": URL}, "model"),
        ({"source": URL}, "image"),
        ({"zip_url": "${zip.url}", "image": "${zip.file}"}, "image"),
        ({"text": "${file.text}"}, "text"),
        ({"text": "${file.text}", "image_url": "${files.logo.url}"}, "text"),
        ({"prompt": "a ${file.stem}"}, "image video audio document model text"),
    ],
    ids=str,
)
def test_the_input_says_which_kinds_fit(template: Json, kinds: str) -> None:
    """By the names of the inputs that the file goes in as."""
    assert kinds == " ".join(default_kinds(template))


def test_what_the_service_declares_wins_over_the_name() -> None:
    """A name is only a name."""
    assert MediaKind.VIDEO is kind_of_input("image_url", "video")


def test_a_declaration_without_a_kind_leaves_it_to_the_name() -> None:
    """`string` may hold an address of anything."""
    assert MediaKind.AUDIO is kind_of_input("audio_url", "string")
