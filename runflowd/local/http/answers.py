"""Reading requests and writing answers: JSON in with limits, JSON out under the chosen API variants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from runflowd.local.http.errors import Refusal, from_pydantic, invalid, problem
from runflowd.local.http.shapes import Shapes
from runflowd.local.settings import MAX_JSON_BYTES
from runflowd.local.variant_transforms import rewrite, rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from runflowd.local.context import Service

Body = TypeVar("Body", bound=BaseModel)


def service_of(request: Request) -> Service:
    """The service this request came to."""
    service: Service = request.app.state.service
    return service


def base_url(request: Request) -> str:
    """Where signed URLs start: the configured address, else the one the client used."""
    service = service_of(request)
    if service.settings.public_url:
        return service.base
    service.base = str(request.base_url).rstrip("/")  # callbacks have no request to take it from
    return service.base


def shapes(request: Request, *, listed: bool = False) -> Shapes:
    """Shows records to this request; `listed` in a list of items. Raises 422 under `add_signature: refused`."""
    service = service_of(request)
    reading, asked = service.api_variants.add_signature, request.query_params.get("add_signature")
    if reading == "refused" and asked is not None:
        raise invalid([problem(("query", "add_signature"), "Extra inputs are not permitted")])
    fresh = not (listed and service.api_variants.output_urls == "expired")
    return Shapes(service, base_url(request), signed=reading != "needed" or asked == "true", fresh=fresh)


def encode(document: Any) -> bytes:
    """Compact JSON in ASCII."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def answer(request: Request, document: Any, status: int = 200) -> Response:
    """The document under the API variants in force."""
    service = service_of(request)
    applied = rules(service.api_variants)
    shown = rewrite(document, applied) if applied else document
    return Response(encode(shown), status, media_type="application/json")


def created(request: Request, document: dict[str, Any]) -> Response:
    """A creation's answer: 201, or what the API variants make of it."""
    api_variants = service_of(request).api_variants
    if api_variants.create_id == "run_id" and "nodes_total" in document:
        document = {"run_id" if key == "id" else key: value for key, value in document.items()}
    return answer(request, document, api_variants.create_status)


async def read_body(request: Request) -> bytes:
    """The whole body. Raises 413 above the limit, before it is all in memory."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_JSON_BYTES:
            raise Refusal(413, f"The body is longer than {MAX_JSON_BYTES} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def parse(body: bytes) -> Any:
    """Strict JSON. Raises 422 for anything else, NaN and bottomless nesting included."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise invalid([problem(("body",), f"JSON decode error: {error}", "json_invalid")]) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def checked(
    body: bytes,
    shape: type[Body],
    make: Callable[[], Any] | None = None,
    refused: Callable[[Any], list[dict[str, Any]]] | None = None,
) -> Body:
    """The body as the given pydantic model. An empty body becomes `make()`, and `refused` names fields not taken."""
    document = make() if make is not None and not body else parse(body)
    if refused is not None and (problems := refused(document)):
        raise invalid(problems)
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        raise from_pydantic(error) from None
