"""The configuration under which the daemon is measured: rules whose model gives back what it gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def configuration(url: str, rules: dict[str, tuple[Path, Path]], *, rest: str = "", state: Path | None = None) -> str:
    """YAML for rules, by name their watched and their output folder, and the service at `url`.

    `rest` is how long a file and a batch have to be quiet, as in "100ms"; "" leaves both as they are by default.
    """
    document: dict[str, Any] = {
        "service": {"url": url},
        "web": {"listen": "off"},
        "rules": {
            name: {
                "watch": str(watch),
                "output": str(output),
                "model": "runflow/pass-through",
                "input": {"image_url": "${file.url}"},
                "approve": {},
            }
            for name, (watch, output) in rules.items()
        },
    }
    if rest:
        document["defaults"] = {"settle": rest, "batch": {"quiet": rest}}
    if state:
        document["state"] = str(state)
    return json.dumps(document, indent=2)
