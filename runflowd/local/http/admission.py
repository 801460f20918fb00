"""From a request body to rows: every item checked, the whole price compared with the credit, then written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runflowd.local.http.errors import Refusal, invalid, problem
from runflowd.local.identity import dollars, to_micros
from runflowd.local.jobs.inputs import check, pictures, unknown
from runflowd.local.jobs.references import SCHEME, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.local.context import Service
    from runflowd.local.models.contract import Model

MAX_CLIENT_REF = 255
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as it was sent, and where in the body it stood."""

    loc: Loc
    given: dict[str, Any]
    client_ref: str | None


@dataclass(slots=True)
class Admitted:
    """One item whose images are known. `refusal` is set when it is to fail by itself, not the whole batch."""

    entry: Entry
    images: dict[str, Picture]
    problems: list[dict[str, Any]] = field(default_factory=list)


async def admit(service: Service, model: Model, entries: Sequence[Entry]) -> list[Admitted]:
    """Check all entries. Raises 422 naming every problem, unless the API variants let items fail by themselves."""
    admitted = [await _admit_one(service, model, entry) for entry in entries]
    problems = [found for one in admitted for found in one.problems]
    if problems and service.api_variants.invalid_item == "batch":
        raise invalid(problems)
    return admitted


async def _admit_one(service: Service, model: Model, entry: Entry) -> Admitted:
    problems = check(model, entry.given, entry.loc)
    if service.api_variants.unknown_inputs == "refused":
        names = unknown(model, entry.given)
        problems += [problem((*entry.loc, name), "Extra inputs are not permitted", "extra_forbidden") for name in names]
    images: dict[str, Picture] = {}
    if not problems:
        images, problems = await pictures(service, model, entry.given, entry.loc)
    fault = service.plan.for_run(names_of(model.id, entry.client_ref, images), frozenset({"invalid"}))
    if fault is not None:
        name = model.inputs[0].name if model.inputs else "input"
        problems.append(problem((*entry.loc, name), fault.message))
    return Admitted(entry, images, problems)


def names_of(model: str, client_ref: str | None, images: dict[str, Picture]) -> list[str]:
    """What a fault may know a run by."""
    known = [name for image in images.values() for name in (image.name, image.sha256)]
    return [model, *([client_ref] if client_ref is not None else []), *known]


def check_callback_url(url: str | None) -> None:
    """Raises 422 for what cannot be called."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise invalid([problem(("body", "callback_url"), "Input should be an http or https URL")])


def check_credit(service: Service, model: Model, admitted: Sequence[Admitted]) -> None:
    """Raises 402 when the projected cost is more than what is left. Nothing was made or charged by then."""
    projected, left = sum(_price(model, one) for one in admitted), service.balance()
    if projected > left:
        raise Refusal(402, f"This would cost {dollars(projected)} dollars, {dollars(left)} are left.")


def _price(model: Model, admitted: Admitted) -> int:
    """About what one run will cost, in millionths of a dollar; nothing is ever charged for a refused one."""
    return 0 if admitted.problems else to_micros(model.projected(admitted.entry.given))


def run_row(service: Service, model: Model, admitted: Admitted, request_id: str) -> dict[str, Any]:
    """A new run's row: queued, or failed at once when it alone was refused."""
    entry = admitted.entry
    now = service.clock()
    row = {
        "id": service.new_id(), "batch_id": None, "item_id": None, "sequence_index": None, "model": model.id,
        "input": json.dumps(_referenced(entry.given, admitted.images)),
        "images": json.dumps({name: _image(picture) for name, picture in admitted.images.items()}),
        "metadata": None, "callback_url": None, "client_ref": entry.client_ref, "status": "queued",
        "price": _price(model, admitted), "request_id": request_id, "created_at": now, "completed_at": None,
        "failure_code": None, "failure_message": None, "failure_stage": None,
    }  # fmt: skip
    if admitted.problems:
        message = "; ".join(f"{found['loc'][-1]}: {found['msg']}" for found in admitted.problems)
        row |= {"status": "failed", "completed_at": now, "failure_code": "INPUT_VALIDATION_FAILED"}
        row |= {"failure_message": message, "failure_stage": "preprocess"}
    return row


def _image(picture: Picture) -> dict[str, Any]:
    return asdict(picture)


def _referenced(given: dict[str, Any], images: dict[str, Picture]) -> dict[str, Any]:
    """The input with each resolved image as a `runflow://` reference, the form that never expires."""
    values = dict(given)
    for name, picture in images.items():
        field_name, _, index = name.partition("[")
        reference = SCHEME + picture.asset_id
        if index:
            entries = list(values[field_name])
            entries[int(index.rstrip("]"))] = reference
            values[field_name] = entries
        else:
            values[field_name] = reference
    return values
