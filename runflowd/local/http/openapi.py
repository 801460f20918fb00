"""The service's own OpenAPI document: exactly the routes it claims, with their fields and answers.

Fields are those of the default API variants. Records inside lists have no required fields, because `fields=`
may leave out any of them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from runflowd.local.http.assets import ConfirmationBody, UploadBody
from runflowd.local.http.batches import BatchBody
from runflowd.local.http.callbacks import SecretBody, SecretChange
from runflowd.local.http.records import RECORDS, REQUIRED
from runflowd.local.http.runs import RunBody

if TYPE_CHECKING:
    from pydantic import BaseModel
    from starlette.requests import Request

Json = dict[str, Any]
JSON = "application/json"
REASONS = {
    "401": "The key is missing or not known.",
    "402": "The projected cost is more than the credit left; nothing was made.",
    "404": "There is no such thing.",
    "409": "The Idempotency-Key was used with another request.",
    "413": "The body is too long.",
    "422": "The request is not valid; `errors` says where.",
}
BODIES: dict[str, type[BaseModel]] = {
    "UploadBody": UploadBody,
    "ConfirmationBody": ConfirmationBody,
    "BatchBody": BatchBody,
    "RunBody": RunBody,
    "SecretBody": SecretBody,
    "SecretChange": SecretChange,
}
LISTS = ("limit", "pq", "from_prev", "fields")


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _record(name: str) -> Json:
    """A single record, whose required fields are always there."""
    return {"allOf": [_reference(name), {"type": "object", "required": list(REQUIRED[name])}]}


def _page(name: str) -> Json:
    cursor = {"type": ["string", "null"]}
    fields = {"items": {"type": "array", "items": _reference(name)}, "next": cursor, "previous": cursor}
    return {"type": "object", "required": list(fields), "properties": {**fields, "first": cursor}}


def _array(name: str) -> Json:
    return {"type": "array", "items": _record(name)}


QUERY: dict[str, Json] = {
    "limit": {"schema": {"type": "integer", "minimum": 1, "maximum": 500}},
    "pq": {"schema": {"type": "string"}, "description": "A cursor that an earlier page gave."},
    "from_prev": {"schema": {"type": "string", "enum": ["true", "false"]}},
    "fields": {"schema": {"type": "string"}, "description": "Names of the fields wanted, joined by commas."},
    "q": {"schema": {"type": "string"}, "description": "`field.EQ:'value'`, joined by ` AND `."},
    "sort_by": {"schema": {"type": "string", "enum": ["created_at:desc", "created_at:asc"]}},
}


def _operation(
    path: str,
    summary: str,
    schema: Json,
    *,
    status: str = "200",
    body: str = "",
    optional: bool = False,
    query: tuple[str, ...] = (),
    errors: str = "",
    key: bool = False,
    public: bool = False,
) -> Json:
    """One operation. `errors` names statuses beyond 401, which all but public ones may give."""
    parameters: list[Json] = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for part in path.split("/")
        if part.startswith("{")
    ]
    parameters += [{"name": name, "in": "query", **QUERY[name]} for name in query]
    if key:
        schema_of_key = {"type": "string", "maxLength": 255}
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": schema_of_key})
    found = ("" if public else "401 ") + errors + (" 413 422" if body else "")
    shown: Json = {
        "summary": summary,
        "parameters": parameters,
        "responses": {status: {"description": "Done.", "content": {JSON: {"schema": schema}}}},
    }
    for code in sorted(set(found.split())):
        content = {JSON: {"schema": _reference("Error")}}
        shown["responses"][code] = {"description": REASONS[code], "content": content}
    if body:
        shown["requestBody"] = {"required": not optional, "content": {JSON: {"schema": _reference(body)}}}
    if public:
        shown["security"] = []
    return shown


def _get(path: str, summary: str, schema: Json, **more: Any) -> tuple[str, str, Json]:
    return path, "get", _operation(path, summary, schema, **more)


def _post(path: str, summary: str, schema: Json, **more: Any) -> tuple[str, str, Json]:
    return path, "post", _operation(path, summary, schema, status="201", **more)


MODEL = "/v1/models/{owner}/{slug}"
CREATE = {"errors": "402 404 409", "key": True}


def _operations() -> list[tuple[str, str, Json]]:
    secret = "/v1/callback-secrets/{id}"  # noqa: S105 - a route
    found: list[tuple[str, str, Json]] = [
        _post("/v1/asset-uploads", "Open an upload", _record("Upload"), body="UploadBody"),
        _post(
            "/v1/asset-uploads/{asset_upload_id}/confirmations", "Finish an upload", _record("Asset"),
            body="ConfirmationBody", optional=True, errors="404",
        ),
        _get("/v1/assets/types", "Types of files taken", {"type": "object", "required": ["items"]}),
        _get("/v1/assets/{id}", "One asset with a fresh URL", _record("Asset"), errors="404"),
        _get("/v1/models", "Search the catalog", _page("Model"), query=(*LISTS, "q"), errors="422"),
        _get(MODEL, "One model with inputs and outputs", _record("Model"), errors="404"),
        _get("/v1/models/{model_id}/pricing", "What a run costs", _page("Price"), errors="404"),
        _post(f"{MODEL}/batches", "Create a batch", _record("Batch"), body="BatchBody", **CREATE),
        _post(f"{MODEL}/runs", "Create a run", _record("Run"), body="RunBody", **CREATE),
        _get("/v1/batches/{id}", "One batch with lean items", _record("Batch"), errors="404"),
        _get("/v1/batches/{batch_id}/items", "Full items", _page("Item"), query=LISTS, errors="404 422"),
        _get("/v1/batches/{batch_id}/items/{id}", "One item", _record("Item"), errors="404"),
        _get("/v1/runs", "Search runs", _page("Run"), query=(*LISTS, "q", "sort_by"), errors="422"),
        _get("/v1/runs/statuses", "Words for a run's status", {"type": "object", "required": ["items"]}),
        _get("/v1/runs/{id}", "One run", _record("Run"), errors="404"),
        _get("/v1/runs/{run_id}/logs", "A run's log", _page("Log"), query=LISTS, errors="404 422"),
        _get("/v1/runs/{run_id}/logs/{id}", "One entry of a run's log", _record("Log"), errors="404"),
        _post("/v1/callback-secrets", "Make a secret", _record("Secret"), body="SecretBody", optional=True),
        _get(secret, "One secret, not in plain", _record("Secret"), errors="404"),
        (secret, "patch", _operation(secret, "Change a secret", _record("Secret"), body="SecretChange", errors="404")),
        _get("/v1/auth/me", "Who this key belongs to", {"type": "object", "required": ["id", "memberships"]}),
        _get("/v1/billing/balance", "The credit left", _record("Balance")),
        _get("/v1/health", "Whether it lives", {"type": "object"}, public=True),
        _get("/v1/readiness", "Whether the database answers", {"type": "object"}, public=True),
    ]  # fmt: skip
    for kind, plural in (("run", "runs"), ("batch", "batches")):
        base = f"/v1/{plural}/{{{kind}_id}}"
        found.append(_get(f"{base}/callback", "Deliveries", _array("Delivery"), errors="404"))
        redelivery = f"{base}/callback-redeliveries"
        found.append(_post(redelivery, "Deliver again", _record("Delivery"), errors="404 422"))
    return found


@cache
def document() -> Json:
    """The OpenAPI 3.1 document."""
    paths: Json = {}
    for path, method, operation in _operations():
        paths.setdefault(path, {})[method] = operation
    schemas: Json = dict(RECORDS)
    for name, body in BODIES.items():
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runflow API on this machine", "version": "1"},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }


async def show(_: Request) -> JSONResponse:
    """GET /openapi.json."""
    return JSONResponse(document())


ROUTES = [Route("/openapi.json", show, methods=["GET"])]
