"""The JSON Schema of the configuration, for editors.

A stored copy is part of the package, so that an editor can be pointed at it without running
anything. A test holds the copy to the models; `store_schema` renews it.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from runflowd.config.document import Document

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema of a whole configuration, as JSON Schema 2020-12."""
    made = Document.model_json_schema(schema_generator=_WithoutTitles)

    return {"$schema": _DIALECT, "title": "runflowd configuration", **made}


def schema_text() -> str:
    """The schema as it is stored: indented, one line end at the end."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def stored_schema() -> str:
    """The copy that is part of the package."""
    return (resources.files("runflowd.config") / "schema" / "runflowd.schema.json").read_text("utf-8")


class _WithoutTitles(GenerateJsonSchema):
    """Leaves out titles that only repeat the key, which editors would show above the description."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        return False


def store_schema() -> None:
    """Write the copy that is part of the package; for use in a checkout, after the models changed."""
    Path(str(resources.files("runflowd.config") / "schema" / "runflowd.schema.json")).write_text(schema_text(), "utf-8")
