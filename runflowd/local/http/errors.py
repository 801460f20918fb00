"""Refusals, and the five ways in which sources say the API words them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import ValidationError

    from runflowd.local.api_variants import ApiVariants

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    402: "INSUFFICIENT_CREDITS",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    503: "MODEL_UNAVAILABLE",
}


class Refusal(Exception):
    """A request that gets an error for an answer. `errors` are FastAPI's: `{loc, msg, type}`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.code = code or CODES.get(status, "INTERNAL_ERROR")
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})
        super().__init__(f"{status} {self.code}: {message}")


def not_found(what: str, identity: str) -> Refusal:
    """404 in the manner of RUN_NOT_FOUND."""
    return Refusal(404, f"There is no {what} {identity[:100]!r}.", code=f"{what.upper()}_NOT_FOUND")


def problem(loc: Iterable[str | int], message: str, kind: str = "value_error") -> dict[str, Any]:
    """One entry of `errors[]`."""
    return {"loc": list(loc), "msg": message, "type": kind}


def invalid(errors: list[dict[str, Any]]) -> Refusal:
    """422 that names every problem."""
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return Refusal(422, _said(errors[:3]) + more, errors=errors)


def _said(errors: Iterable[dict[str, Any]]) -> str:
    return "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in errors)


def from_pydantic(error: ValidationError, where: str = "body") -> Refusal:
    """422 out of what pydantic found, without the values it was given."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return invalid([problem((where, *entry["loc"]), entry["msg"], entry["type"]) for entry in found])


def _flat(refusal: Refusal, request_id: str) -> Response:
    document = {"code": refusal.code, "message": refusal.message, "errors": refusal.errors}
    return JSONResponse({**document, "request_id": request_id}, refusal.status)


def _nested(refusal: Refusal, request_id: str) -> Response:
    document = {"code": refusal.code, "message": refusal.message, "request_id": request_id}
    return JSONResponse({"error": document}, refusal.status)


def _detail(refusal: Refusal, request_id: str) -> Response:  # noqa: ARG001 - one of ENVELOPES
    return JSONResponse({"detail": refusal.errors or refusal.message}, refusal.status)


def _html(refusal: Refusal, request_id: str) -> Response:  # noqa: ARG001 - one of ENVELOPES
    return HTMLResponse(f"<html><body><h1>{refusal.status}</h1></body></html>", refusal.status)


def _text(refusal: Refusal, request_id: str) -> Response:  # noqa: ARG001 - one of ENVELOPES
    return PlainTextResponse(f"error {refusal.status}", refusal.status)


def _empty(refusal: Refusal, request_id: str) -> Response:  # noqa: ARG001 - one of ENVELOPES
    return Response(b"", refusal.status)


ENVELOPES: dict[str, Callable[[Refusal, str], Response]] = {
    "flat": _flat,
    "nested": _nested,
    "detail": _detail,
    "html": _html,
    "text": _text,
    "empty": _empty,
}


def respond(api_variants: ApiVariants, refusal: Refusal, request_id: str) -> Response:
    """The refusal as the chosen reading words it."""
    if refusal.status == 402:
        refusal.code = api_variants.credit_code
    if api_variants.errors == "first" and refusal.errors:
        refusal.errors = refusal.errors[:1]
        refusal.message = _said(refusal.errors)
    if api_variants.pointer == "none":
        refusal.errors = None
        if refusal.status == 422:
            refusal.message = "The request is not valid."
    response = ENVELOPES[api_variants.error_envelope](refusal, request_id)
    response.headers.update(refusal.headers)
    return response
