"""The points on which descriptions of the API disagree, as switches.

The hosted API's documentation contradicts itself in places and is silent in others. A client has to
survive every reading, so this service can play each. The first choice of every switch is its default.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

EARLY = 60.0
"""Seconds after which links to uploads end early."""


class ApiVariants(BaseModel):
    """One choice for every point of disagreement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_body: Literal["both", "guide", "reference", "guide_strict", "reference_strict"] = Field(
        "both",
        description="Which batch body is taken: `items: [{input}]` (guide), `input: [{}]` (reference); strict ones"
        " refuse every field that their source does not show.",
    )
    refused_field: Literal["none", "metadata", "client_ref", "callback_url"] = Field(
        "none", description="A field of the body that batches and runs refuse."
    )
    batch_models: Literal["declared", "none"] = Field(
        "declared", description="Which models take batches: those that do here, or none (422)."
    )
    status_field: Literal["status_code", "status", "both"] = Field(
        "status_code", description="The name of the status on records."
    )
    words: Literal["canceled", "reference", "errored", "novel", "settled"] = Field(
        "canceled",
        description="Status words: American `canceled`, the reference's `cancelled`, `errored` for failed, `warming_up`"
        " for running, `settled` for a batch that has ended.",
    )
    failure: Literal["reference", "sample", "error", "reason"] = Field(
        "reference",
        description="A failed run's fields: `failure_stage_code`, `failure_stage`, `error{}`, `failure_reason`.",
    )
    item_failure: Literal["run", "item"] = Field(
        "run",
        description="A failed item says why in `error`, `failure_message` and `run`, or in `failure_message` alone.",
    )
    list_envelope: Literal["reference", "concept", "both", "url"] = Field(
        "reference", description="Pages: `next`/`previous`, `next_pq`/`prev_pq`, both, or `next` as a URL."
    )
    page_size: Literal["asked", "small"] = Field(
        "asked", description="Records on a page: as many as `limit` asks for, or two at most."
    )
    filter: Literal["both", "concept", "clients", "ignored"] = Field(
        "both", description="`q` of runs: `field:value`, `field.EQ:'value'`, either; or it is not looked at."
    )
    error_envelope: Literal["flat", "nested", "detail", "html", "text", "empty"] = Field(
        "flat", description="How an error is wrapped."
    )
    credit_code: Literal["INSUFFICIENT_CREDITS", "INSUFFICIENT_CREDIT"] = Field(
        "INSUFFICIENT_CREDITS", description="The code beside HTTP 402."
    )
    retry_after: Literal["absent", "seconds", "date", "absurd"] = Field(
        "absent", description="`Retry-After` on injected 429 and 503 answers; `absurd` asks for years."
    )
    balance: Literal["string", "number", "cents", "list", "forbidden"] = Field(
        "string", description="`/v1/billing/balance`: decimal string, number, `balance_cents`, a list, or 403."
    )
    health: Literal["status", "ok"] = Field("status", description="`/v1/health`: `{status}` or `{ok}`.")
    output: Literal[
        "model",
        "image_urls",
        "outputs",
        "array",
        "image",
        "images",
        "image_object",
        "url",
        "output_url",
        "string",
        "data",
    ] = Field("model", description="The shape of a run's output; `model` is the model's own, `array` a bare list.")
    stages: bool = Field(
        False, description="Put an intermediate before each result, whose file name then starts with `result_`."
    )
    file_names: Literal["plain", "hostile"] = Field(
        "plain", description="File names in URLs and outputs: honest ones, or ones that try to escape."
    )
    output_urls: Literal["fresh", "expired"] = Field(
        "fresh", description="Output URLs in lists of items: freshly signed, or expired by the time they are used."
    )
    add_signature: Literal["ignored", "needed", "refused"] = Field(
        "ignored",
        description="`?add_signature=true` on reads: without effect, needed for signed output URLs, or refused (422).",
    )
    replace_inputs: Literal["urls", "zip"] = Field(
        "urls",
        description="Input of `background-replace` and the pass-through: `image_url`, or `zip_url` and names in it.",
    )
    asset_ref: Literal["accepted", "refused"] = Field(
        "accepted",
        description="`runflow://assets/{id}` or a bare asset id as a model input: taken, or refused with 422.",
    )
    asset_links: Literal["honest", "early"] = Field(
        "honest", description="Links to uploads live as long as they say, or end after a minute whatever they say."
    )
    input_read: Literal["creation", "run"] = Field(
        "creation", description="When a link to an input is followed: as a run is created, or when its turn comes."
    )
    sequence_base: Literal[0, 1] = Field(0, description="The `sequence_index` of the first item.")
    items: Literal["ordered", "shuffled", "doubled", "missing"] = Field(
        "ordered", description="Items of a batch as lists show them; `missing` leaves out the last."
    )
    detail: Literal["items", "counters", "bare"] = Field(
        "items",
        description="What a batch tells of its items: each one's status and the counters, the counters, nothing.",
    )
    create_status: Literal[201, 200, 202] = Field(201, description="The HTTP status of a creation.")
    create_id: Literal["id", "run_id"] = Field("id", description="The name of a new run's id.")
    fields: Literal["documented", "missing", "null", "extra"] = Field(
        "documented", description="Fields a client could do without: there, left out, null; or unknown ones added."
    )
    cost: Literal["string", "number", "null"] = Field("string", description="How costs are written.")
    ids: Literal["uuid", "ulid", "prefixed"] = Field("uuid", description="Ids: UUIDv7, `01J...`, `batch_01J...`.")
    run_event: Literal["run.completed", "run.succeeded", "run.partial_succeeded"] = Field(
        "run.completed", description="The event name of a succeeded run's callback."
    )
    batch_event: Literal["batch.succeeded", "batch.completed"] = Field(
        "batch.succeeded", description="The event name of a succeeded batch's callback."
    )
    callback_failure: Literal["envelope", "null"] = Field(
        "envelope", description="`output` in the callback of a failed run."
    )
    signing_secret: Literal["current", "previous"] = Field(
        "current", description="Which callback secret signs: the current one, or the one before it."
    )
    idempotency: Literal["honoured", "batches", "ignored"] = Field(
        "honoured", description="Where `Idempotency-Key` counts: batches and runs, batches only, nowhere."
    )
    invalid_item: Literal["item", "batch"] = Field(
        "item", description="One invalid item fails alone, or refuses the whole batch (422)."
    )
    pointer: Literal["loc", "none"] = Field(
        "loc", description="Whether a validation error names the offending item in `errors[].loc`."
    )
    errors: Literal["all", "first"] = Field(
        "all", description="Every problem of a request is reported, or the first one."
    )
    unknown_inputs: Literal["ignored", "refused"] = Field(
        "ignored", description="Inputs that the model does not declare: without effect, or refused (422)."
    )

    @property
    def link_seconds(self) -> float:
        """How long a link to an upload lives at most."""
        return EARLY if self.asset_links == "early" else math.inf
