"""JSON Schemas of the records in the service's answers, under the default API variants."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
MAYBE: dict[str, Any] = {"type": ["string", "null"]}
WHOLE: dict[str, Any] = {"type": "integer"}
FLAG: dict[str, Any] = {"type": "boolean"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
MONEY = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
OBJECT = {"type": ["object", "null"]}
ID = {"type": "string", "format": "uuid"}
STATUS = {"enum": ["queued", "dispatching", "running", "succeeded", "partial_succeeded", "failed", "canceled"]}
TIMES = {"created_at": MOMENT, "started_at": MOMENT, "completed_at": MOMENT}


def _schema(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


FAILURE = {"failure_code": MAYBE, "failure_message": MAYBE, "failure_stage_code": MAYBE}
LEAN = _schema(id=ID, sequence_index=WHOLE, run_id=ID, status_code=STATUS, client_ref=MAYBE)
RUN = _schema(
    id=ID, status_code=STATUS, input=OBJECT, output=OBJECT, cost=MONEY, client_ref=MAYBE, batch_id=MAYBE,
    metadata=OBJECT, callback_url=MAYBE, duration_ms={"type": ["integer", "null"]}, has_logs=FLAG, **FAILURE, **TIMES,
)  # fmt: skip

RECORDS: dict[str, dict[str, Any]] = {
    "Error": {
        **_schema(code=TEXT, message=TEXT, errors={"type": ["array", "null"]}, request_id=TEXT),
        "required": ["code", "message", "errors", "request_id"],
    },
    "Upload": _schema(asset_id=ID, upload_url={"type": "string", "format": "uri"}),
    "Asset": _schema(
        id=ID, name=TEXT, url={"type": "string", "format": "uri"}, mime_type=TEXT, size_bytes=WHOLE, folder_id=MAYBE,
        source_type=TEXT, created_at=MOMENT, updated_at=MOMENT,
    ),
    "Model": _schema(
        id=ID, slug=TEXT, owner=TEXT, name=TEXT, description=TEXT, pricing_note=TEXT,
        inputs=_list_of(_schema(name=TEXT, variable_type_code=TEXT, is_required=FLAG, validator_attrs=OBJECT)),
        outputs=_list_of(_schema(name=TEXT, variable_type_code=TEXT)),
    ),
    "Price": _schema(id=ID, model_id=ID, price=MONEY, currency_code=TEXT, unit_code=TEXT),
    "Batch": _schema(
        id=ID, status_code=STATUS, items_total=WHOLE, items_succeeded=WHOLE, items_failed=WHOLE,
        items_cancelled=WHOLE, items=_list_of(LEAN), output=OBJECT, cost=MONEY, metadata=OBJECT, callback_url=MAYBE,
        duration_ms={"type": ["integer", "null"]}, **TIMES,
    ),
    "Item": _schema(
        id=ID, batch_id=ID, sequence_index=WHOLE, run_id=ID, client_ref=MAYBE, status_code=STATUS, input=OBJECT,
        cost=MONEY, output=OBJECT, error=OBJECT, failure_message=MAYBE, run=RUN, **TIMES,
    ),
    "Run": RUN,
    "Log": _schema(id=ID, run_id=ID, level_code={"enum": ["info", "error"]}, message=TEXT, timestamp=MOMENT),
    "Secret": _schema(id=ID, key_prefix=TEXT, is_current=FLAG, label=MAYBE, last_used_at=MOMENT, plain_secret=TEXT),
    "Balance": _schema(id=ID, balance=MONEY, low_balance_threshold=MONEY),
    "Delivery": _schema(
        id=ID, callback_url=TEXT, payload_bytes=TEXT, payload=OBJECT, signing_secret_id=MAYBE, is_automatic=FLAG,
        status_code={"enum": ["pending", "succeeded", "failed"]}, attempt_count=WHOLE, max_attempts=WHOLE,
        next_attempt_at=MOMENT,
        attempts=_list_of(_schema(id=ID, attempt_number=WHOLE, status_code={"type": ["integer", "null"]})),
    ),
}  # fmt: skip

REQUIRED: dict[str, tuple[str, ...]] = {
    name: tuple(field for field in schema["properties"] if field != "plain_secret") for name, schema in RECORDS.items()
}
