"""The catalog: search, one model with its inputs and outputs, its price."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from runflowd.local.context import ORGANISATION, model_id
from runflowd.local.http.answers import answer, service_of
from runflowd.local.http.errors import invalid, problem
from runflowd.local.http.paging import envelope, wanted
from runflowd.local.identity import dollars, timestamp, to_micros
from runflowd.local.jobs.references import SCHEME

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from runflowd.local.context import Service
    from runflowd.local.models.contract import InputSpec, Model

UNTOLD = (
    "family_id", "family_variant_code", "param_count", "architecture", "license_code", "max_resolution",
    "lora_support", "fine_tuning", "supports_streaming", "paper_url", "github_url", "seo", "notable_features",
    "content", "created_by", "deleted_at", "deleted_by",
)  # fmt: skip
"""Fields of the reference's model that a local model has nothing to say about."""

SLUG = re.compile(r"slug\.eq:'([^']*)'", re.ASCII | re.IGNORECASE)


async def search_models(request: Request) -> Response:
    """GET /v1/models; `q=slug.eq:'background-removal'` or plain words."""
    service = service_of(request)
    models = [service.model(name) for name, model in service.models.items() if _matches(model, request)]
    page = wanted(request)
    after = page.key or 0
    if page.backwards:
        start, stop = max(after - page.limit, 0), after
    else:
        start, stop = after, after + page.limit
    cursors = {
        "next": f"after-{stop}" if stop < len(models) else None,
        "previous": f"before-{start}" if start > 0 else None,
    }
    return answer(request, envelope(request, [_shown(service, model) for model in models[start:stop]], cursors))


def _matches(model: Model, request: Request) -> bool:
    query = request.query_params.get("q", "").strip()
    if not query:
        return True
    exact = SLUG.fullmatch(query)
    if exact:
        return exact[1] in {model.id, model.id.partition("/")[2]}
    if re.search(r"\.\w+:", query):
        raise invalid([problem(("query", "q"), "Write slug.eq:'value', or words to search for")])
    text = f"{model.id} {model.name} {model.description}".lower()
    return all(word in text for word in query.lower().split())


async def read_model(request: Request) -> Response:
    """GET /v1/models/{owner}/{slug}."""
    model = service_of(request).model("{owner}/{slug}".format(**request.path_params))
    return answer(request, _shown(service_of(request), model))


async def read_pricing(request: Request) -> Response:
    """GET /v1/models/{model_id}/pricing: one price, for a run or for a second of what it makes."""
    model = service_of(request).model(request.path_params["model_id"])
    timed = model.unit == "second"
    rule = {
        "id": _part(model, "pricing"), "model_id": model_id(model), "pricing_model_code": f"per_{model.unit}",
        "rule_effect_code": "base", "model_input_id": None, "match_value": None,
        "dimension_code": "duration" if timed else None,
        "min_value": None, "max_value": None, "price": dollars(to_micros(model.price)), "currency_code": "USD",
        "unit_code": model.unit, "multiplier_label": None, "description": f"{_basis(model).capitalize()}.",
        "sort_order": 0, "disabled_at": None, "measurement_source": "output" if timed else None,
    }  # fmt: skip
    return answer(request, envelope(request, [rule], {"next": None, "previous": None}))


def _shown(service: Service, model: Model) -> dict[str, Any]:
    return {
        "id": model_id(model), "org_id": ORGANISATION, "model_creator_id": None, "slug": model.id.partition("/")[2],
        "owner": model.id.partition("/")[0], "name": model.name, "description": model.description, "version": None,
        "is_public": True, "is_open_source": True, "icon_url": None, "cover_url": None, "category_code": model.makes,
        "status_code": "active", "is_official": True, "availability_status": "available",
        "pricing_note": f"{dollars(to_micros(model.price))} dollars {_basis(model)}",
        "inputs": [_input(service, model, spec, order) for order, spec in enumerate(model.inputs)],
        "outputs": [_output(model)], "created_at": timestamp(0.0), **dict.fromkeys(UNTOLD),
    }  # fmt: skip


def _basis(model: Model) -> str:
    return f"per second of {model.makes}" if model.unit == "second" else "per succeeded run"


def _output(model: Model) -> dict[str, Any]:
    validator = {"validator_code": None, "validator_attrs": None}
    return {"name": model.output_shape, "variable_type_code": f"{model.makes}_list", **validator}


def _input(service: Service, model: Model, spec: InputSpec, order: int) -> dict[str, Any]:
    limits = {"min": spec.minimum, "max": spec.maximum, "choices": list(spec.choices) or None}
    attributes = {name: value for name, value in limits.items() if value is not None}
    return {
        "id": _part(model, spec.name), "model_id": model_id(model), "name": spec.name,
        "display_name": spec.name.replace("_", " ").capitalize(), "description": _described(service, spec),
        "variable_type_code": spec.type, "default_behavior_code": None,
        "validator_code": "choices" if spec.choices else "range" if attributes else None,
        "validator_attrs": attributes or None, "is_required": spec.required, "default_value": spec.default,
        "sort_order": order, "is_featured": spec.required,
    }  # fmt: skip


def _described(service: Service, spec: InputSpec) -> str:
    named = spec.type in {"image", "file", "image_list"} and service.api_variants.asset_ref == "accepted"
    return f"{spec.description} By link, or as {SCHEME}ID." if named else spec.description


def _part(model: Model, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"runflow:{model.id}#{name}"))


ROUTES = [
    Route("/v1/models", search_models, methods=["GET"]),
    Route("/v1/models/{model_id:path}/pricing", read_pricing, methods=["GET"]),
    Route("/v1/models/{owner}/{slug:path}", read_model, methods=["GET"]),
]
