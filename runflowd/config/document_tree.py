"""The sections of a document by their paths, read from the models."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from runflowd.config.document import Document

if TYPE_CHECKING:
    from runflowd.config.yaml.events import Path


def section_at(path: Path) -> type[BaseModel] | None:
    """The model of the section at a path of the document; None where there is none."""
    here: Any = Document
    for part in path:
        if _is_model(here):
            field = here.model_fields.get(str(part))
            here = _bare(field.annotation) if field else None
        else:
            # A mapping by name or a list: whatever the name, the kind of what it holds comes last.
            here = _bare(get_args(here)[-1]) if get_args(here) else None

    return here if _is_model(here) else None


def keys_of(section: type[BaseModel] | None) -> list[str]:
    """The keys of a section, its own before those that it shares with `defaults`."""
    if section is None:
        return []
    own = [name for name in section.__annotations__ if name in section.model_fields]
    return own + [name for name in section.model_fields if name not in own]


def _bare(annotation: Any) -> Any:
    """The part of `Model | None` or `Annotated[Model | Word, ...]` that has an inside: its model or mapping."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [_bare(each) for each in get_args(annotation)]
        return next((each for each in inner if _is_model(each) or get_args(each)), None)

    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
