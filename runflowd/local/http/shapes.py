"""Rows as the API shows them: the reference's records, before any other reading is applied."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from runflowd.local.context import ORGANISATION, Service, model_id
from runflowd.local.identity import dollars, timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

TERMINAL = frozenset({"succeeded", "failed", "canceled", "partial_succeeded"})
HOSTILE_NAME = "../../../../tmp/escaped\x00\n;rm -rf $HOME'\"<b>\u202egnp.exe"


class Shapes:
    """Turns rows into records whose URLs start with `base`, each URL signed afresh.

    `signed` and `fresh` are about output URLs alone, for the API variants that doubt them.
    """

    def __init__(self, service: Service, base: str, *, signed: bool = True, fresh: bool = True) -> None:
        self.service = service
        self.base = base
        self.signed = signed
        self.fresh = fresh

    def url(self, asset_id: str, name: str) -> str:
        """A signed GET URL, good for the settings' lifetime from now."""
        return self._url(asset_id, name, self.service.settings.url_lifetime)

    def _url(self, asset_id: str, name: str, lifetime: float) -> str:
        return self.base + self.service.signer.path("GET", asset_id, name, lifetime)

    def _output_url(self, asset_id: str, name: str) -> str:
        url = self._url(asset_id, name, self.service.settings.url_lifetime if self.fresh else 0.0)
        return url if self.signed else url.partition("?")[0]

    def asset(self, row: sqlite3.Row) -> dict[str, Any]:
        """An asset with a fresh URL."""
        return {
            "id": row["id"], "org_id": ORGANISATION, "folder_id": row["folder_id"], "name": row["name"],
            "r2_key": f"{ORGANISATION}/{row['id']}", "url": self.url(row["id"], row["name"]), "thumbnail_url": None,
            "mime_type": row["mime_type"], "size_bytes": row["size"], "asset_type": row["mime_type"].partition("/")[0],
            "source_type": row["source_type"], "source_id": row["source_id"], "created_by": None,
            "created_at": timestamp(row["created_at"]), "updated_at": timestamp(row["updated_at"]),
            "deleted_at": None, "deleted_by": None,
        }  # fmt: skip

    def input(self, row: sqlite3.Row) -> dict[str, Any]:
        """A run's input as reads show it: a signed URL in the place of each reference to an own asset."""
        values: dict[str, Any] = json.loads(row["input"])
        for name, image in json.loads(row["images"]).items():
            field, _, index = name.partition("[")
            if index:
                values[field][int(index.rstrip("]"))] = self.url(image["asset_id"], image["name"])
            else:
                values[field] = self.url(image["asset_id"], image["name"])
        return values

    def output(self, row: sqlite3.Row) -> Any:
        """A run's output in its model's shape, or in the one the API variants ask for; None before success."""
        if row["output"] is None:
            return None
        pictures = self._pictures(json.loads(row["output"]))
        chosen = self.service.api_variants.output
        model = self.service.models.get(row["model"])
        shape = (model.output_shape if model else "outputs") if chosen == "model" else chosen
        shown = OUTPUTS[shape](pictures)
        if row["status"] == "partial_succeeded" and shape in {"outputs", "array"}:
            entries = shown["outputs"] if shape == "outputs" else shown
            entries.append({"url": None, "type": "image", "error": {"message": row["failure_message"]}})
        return shown

    def _pictures(self, images: list[dict[str, Any]]) -> list[dict[str, Any]]:
        api_variants = self.service.api_variants
        shown = []
        for image in images:
            if api_variants.stages:
                stage = {**image, "asset_id": self.service.storage.meta("stage_asset", "")}
                shown.append((stage, "bg_remover_00001_.png"))
            name = image["name"] if image["name"].startswith("result_") else f"result_{image['name']}"
            shown.append((image, HOSTILE_NAME if api_variants.file_names == "hostile" else name))
        return [self._picture(image, name) for image, name in shown]

    def _picture(self, image: dict[str, Any], name: str) -> dict[str, Any]:
        url = self._output_url(image["asset_id"], name)
        if self.service.api_variants.output == "data":
            url = self._data_uri(image)
        facts = {key: image[key] for key in ("width", "height") if image[key]}
        if image.get("seconds"):
            facts["duration"] = image["seconds"]
        kind = image["mime_type"].partition("/")[0]
        kind = kind if kind in {"image", "video", "audio"} else "file"
        return {"url": url, "type": kind, "content_type": image["mime_type"], "file_name": name, **facts}

    def _data_uri(self, image: dict[str, Any]) -> str:
        row = self.service.find("assets", "asset", image["asset_id"])
        data = base64.b64encode(self.service.blobs.read(row["sha256"])).decode()
        return f"data:{image['mime_type']};base64,{data}"

    def run(self, row: sqlite3.Row) -> dict[str, Any]:
        """A run with every documented field."""
        model = self.service.models.get(row["model"])
        done = row["status"] in TERMINAL
        return {
            "id": row["id"], "flow_id": None, "model_id": model_id(model) if model else None,
            "comfyui_workflow_id": None, "target_type": "model", "target_version": None, "org_id": ORGANISATION,
            "status_code": row["status"], "source_code": "api", "input": self.input(row),
            "output": self.output(row), "context": None, "duration_ms": _duration(row),
            "cost": dollars(row["cost"]), "cost_breakdown": None, "nodes_total": 1, "nodes_completed": int(done),
            "resolved_template_id": None, "batch_id": row["batch_id"], "client_ref": row["client_ref"],
            "jurisdiction_code": None, "flow_version_id": None, "request_id": row["request_id"], "created_by": None,
            "created_at": timestamp(row["created_at"]), "started_at": timestamp(row["started_at"]),
            "completed_at": timestamp(row["completed_at"]), "callback_url": row["callback_url"],
            "metadata": json.loads(row["metadata"] or "null"), "has_logs": done, "has_node_runs": False,
            "links": {"self": f"/v1/runs/{row['id']}"}, "failure_code": row["failure_code"],
            "failure_message": row["failure_message"], "failure_stage_code": row["failure_stage"], "node_runs": [],
            "feedback_is_positive": None, "feedback_reason": None, "source_chat_message_id": None,
            "current_evaluation_summary": None,
        }  # fmt: skip

    def item(self, row: sqlite3.Row) -> dict[str, Any]:
        """A batch item in full, its run inside."""
        run = self.run(row)
        error = {"code": row["failure_code"], "message": row["failure_message"]} if row["failure_code"] else None
        copied = ("created_at", "client_ref", "status_code", "input", "cost", "output", "started_at", "completed_at")
        return {
            "id": row["item_id"],
            "batch_id": row["batch_id"],
            "sequence_index": row["sequence_index"],
            "run_id": row["id"],
            "error": error,
            "failure_message": row["failure_message"],
            **{key: run[key] for key in copied},
            "run": run,
        }

    def batch(self, row: sqlite3.Row, runs: list[sqlite3.Row]) -> dict[str, Any]:
        """A batch with its lean items."""
        model = self.service.models.get(row["model"])
        return {
            "id": row["id"], "org_id": ORGANISATION, "target_type_code": "model", "target_type": "model",
            "target_id": model_id(model) if model else None, "status_code": row["status"], "source_code": "api",
            "items_total": row["total"], "items_succeeded": row["succeeded"], "items_failed": row["failed"],
            "items_cancelled": row["cancelled"], "input": None, "resolved_template_id": None,
            "dispatch_provider_link_id": None, "cost": dollars(row["cost"]),
            "output": self.batch_output(row, runs) if row["status"] in TERMINAL else {},
            "metadata": json.loads(row["metadata"] or "null"), "callback_url": row["callback_url"],
            "duration_ms": _duration(row), "failure_code": None, "failure_message": None,
            "failure_stage_code": None, "created_by": None, "created_at": timestamp(row["created_at"]),
            "started_at": timestamp(row["started_at"]), "completed_at": timestamp(row["completed_at"]),
            "links": {"self": f"/v1/batches/{row['id']}"}, "items": [_lean(run) for run in runs],
        }  # fmt: skip

    def batch_output(self, row: sqlite3.Row, runs: list[sqlite3.Row]) -> dict[str, Any]:
        """The self-describing envelope of concepts/callbacks."""
        items = [{**_lean(run), "output": self.output(run)} for run in runs]
        counts = {key: row[key] for key in ("succeeded", "failed", "cancelled", "total")}
        return {"items": items, **counts}


def _lean(run: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": run["item_id"],
        "sequence_index": run["sequence_index"],
        "run_id": run["id"],
        "status_code": run["status"],
        "client_ref": run["client_ref"],
    }


def _duration(row: sqlite3.Row) -> int | None:
    if row["started_at"] is None or row["completed_at"] is None:
        return None
    return int((row["completed_at"] - row["started_at"]) * 1000)


def _urls(pictures: list[dict[str, Any]]) -> list[str]:
    return [picture["url"] for picture in pictures]


def _outputs(pictures: list[dict[str, Any]]) -> dict[str, Any]:
    return {"outputs": pictures, "seed": None, "timing": None, "nsfw_detected": None}


OUTPUTS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "outputs": _outputs,
    "data": _outputs,
    "array": list,
    "image_urls": lambda pictures: {"image_urls": _urls(pictures)},
    "image": lambda pictures: {"image": _urls(pictures)},
    "images": lambda pictures: {"images": _urls(pictures)},
    "image_object": lambda pictures: {"image": {"url": pictures[-1]["url"]}},
    "url": lambda pictures: {"url": pictures[-1]["url"]},
    "output_url": lambda pictures: {"output_url": pictures[-1]["url"]},
    "string": lambda pictures: pictures[-1]["url"],
}
