"""The kinds of file, and which of them a rule takes that does not say so: its input tells."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.template import FILE_TEXT, keys_that_send_the_file, placeholders, sends_the_file

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.model import Json


class MediaKind(StrEnum):
    """What kinds of file a rule may take."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    MODEL = "model"
    TEXT = "text"


def default_kinds(template: Json) -> tuple[MediaKind, ...]:
    """The kinds that a template can be filled in for, in the order of `MediaKind`.

    What goes in by its address is of the kinds that the names of those inputs tell (`video_url`, `image_urls`), images
    where they tell none; what goes in by its words is text; where nothing but the name goes in, every kind will do.
    """
    used = placeholders(template)
    if FILE_TEXT in used:
        return (MediaKind.TEXT,)
    if not sends_the_file(used):
        return tuple(MediaKind)
    named = {kind for key in keys_that_send_the_file(template) if (kind := kind_of_input(key))}
    return tuple(kind for kind in MediaKind if kind in (named or {MediaKind.IMAGE}))


def kind_of_input(name: str, declared: str = "") -> MediaKind | None:
    """The kind of file that an input of a model takes, by what the service declares it as, else by its name."""
    words = [*declared.lower().split("_"), *name.lower().split("_")]
    return next((_WORDS[word] for word in words if word in _WORDS), None)


_WORDS = {
    **dict.fromkeys(("image", "images", "img", "photo", "picture"), MediaKind.IMAGE),
    **dict.fromkeys(("video", "videos"), MediaKind.VIDEO),
    **dict.fromkeys(("audio", "audios"), MediaKind.AUDIO),
    **dict.fromkeys(("pdf", "document"), MediaKind.DOCUMENT),
    **dict.fromkeys(("glb", "mesh"), MediaKind.MODEL),
}
"""The words of the service's names for inputs (`image_url`, `start_image_url`, `reference_image_urls`, `video_url`)."""


def in_words(accept: Collection[MediaKind]) -> str:
    """Kinds as people call them: "images, videos and audio files"."""
    names = [_IN_WORDS[kind] for kind in MediaKind if kind in accept]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


_IN_WORDS = {
    MediaKind.IMAGE: "images",
    MediaKind.VIDEO: "videos",
    MediaKind.AUDIO: "audio files",
    MediaKind.DOCUMENT: "PDF documents",
    MediaKind.MODEL: "3D models",
    MediaKind.TEXT: "texts",
}
