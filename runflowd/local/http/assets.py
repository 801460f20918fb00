"""Assets: the three-step upload, fresh signed URLs, and the storage behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003 - pydantic reads it

from pydantic import BaseModel, ConfigDict, Field
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from runflowd.local.blobs import PIECE, TooLong
from runflowd.local.http.answers import answer, base_url, checked, created, read_body, service_of
from runflowd.local.http.errors import Refusal, invalid, not_found, problem
from runflowd.local.http.shapes import Shapes
from runflowd.local.identity import parse_id
from runflowd.local.settings import MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from runflowd.local.context import Service

TYPES = (
    "image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/heic", "image/tiff", "image/bmp",
    "video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "audio/mpeg", "audio/wav", "audio/mp4",
    "audio/flac", "audio/ogg", "audio/opus", "application/pdf", "model/gltf-binary", "application/zip",
    "text/plain",
)  # fmt: skip
"""What is taken. The hosted list is published at this route alone; this one has a kind of each that its pages name."""


class _Anything(PathConvertor):
    """A file name as hostile as it likes, line breaks included."""

    regex = "(?s:.*)"


register_url_convertor("anything", _Anything())


class UploadBody(BaseModel):
    """Step one: what is going to be uploaded."""

    model_config = ConfigDict(strict=True)

    filename: str = Field(min_length=1, max_length=500)
    mime_type: str = Field(min_length=1, max_length=255, pattern=r"^[!-~]+(?: ?; ?[!-~]+)*$")
    size_bytes: int = Field(ge=1, le=MAX_UPLOAD_BYTES)


class ConfirmationBody(BaseModel):
    """Step three."""

    folder_id: UUID | None = None


def add_asset(service: Service, **fields: Any) -> str:
    """Record an asset, return its id."""
    now = service.clock()
    row = {"id": service.new_id(), "folder_id": None, "source_id": None, "created_at": now, "updated_at": now}
    service.storage.insert("assets", [{**row, **fields}])
    return str(row["id"])


async def open_upload(request: Request) -> Response:
    """POST /v1/asset-uploads."""
    service = service_of(request)
    body = checked(await read_body(request), UploadBody)
    _check_type(body.mime_type)
    asset_id = add_asset(
        service,
        name=body.filename,
        mime_type=body.mime_type,
        size=body.size_bytes,
        sha256=None,
        confirmed=0,
        source_type="upload",
    )
    path = service.signer.path("PUT", asset_id, "upload", service.settings.upload_lifetime)
    return created(request, {"asset_id": asset_id, "upload_url": base_url(request) + path})


def _check_type(mime_type: str) -> None:
    """Raises 422 for a type that is not taken. Parameters and capitals make no other type of it (RFC 9110, 8.3.1)."""
    if mime_type.partition(";")[0].strip().lower() not in TYPES:
        taken = "is not taken; GET /v1/assets/types lists what is"
        raise invalid([problem(("body", "mime_type"), f"The type {mime_type!r} {taken}")])


async def confirm_upload(request: Request) -> Response:
    """POST /v1/asset-uploads/{asset_upload_id}/confirmations."""
    service = service_of(request)
    body = checked(await read_body(request), ConfirmationBody, dict)
    row = service.find("assets", "asset_upload", request.path_params["asset_upload_id"])
    if row["source_type"] != "upload":
        raise not_found("asset_upload", row["id"])
    if row["sha256"] is None:
        raise Refusal(422, "Nothing was uploaded yet: PUT the bytes to upload_url first.", code="UPLOAD_MISSING")
    folder = str(body.folder_id) if body.folder_id else row["folder_id"]
    service.storage.run(
        "UPDATE assets SET confirmed = 1, folder_id = ?, updated_at = ? WHERE id = ?",
        folder,
        service.clock(),
        row["id"],
    )
    return created(request, _shown(request, row["id"]))


async def read_asset(request: Request) -> Response:
    """GET /v1/assets/{id}, with a fresh URL."""
    return answer(request, _shown(request, request.path_params["id"]))


def _shown(request: Request, identity: str) -> dict[str, Any]:
    service = service_of(request)
    row = service.find("assets", "asset", identity)
    if not row["confirmed"]:
        raise not_found("asset", identity)
    shown = Shapes(service, base_url(request)).asset(row)
    embedded = request.query_params.get("embed", "").split(",")
    return {**shown, "created_by_user": None} if "created_by_user" in embedded else shown


async def list_types(request: Request) -> Response:
    """GET /v1/assets/types."""
    return answer(request, {"items": [{"mime_type": name} for name in TYPES]})


async def put_bytes(request: Request) -> Response:
    """PUT to a presigned URL: no Authorization header, the declared Content-Type, the announced length at most."""
    service = service_of(request)
    row = _permitted(request, "PUT")
    if request.headers.get("content-type") != row["mime_type"]:
        raise Refusal(403, f"The Content-Type must be the declared {row['mime_type']}.", code="SignatureDoesNotMatch")
    if "content-length" not in request.headers:
        raise Refusal(411, "A Content-Length is needed.", code="MissingContentLength")
    try:
        sha256, size = await service.blobs.receive(request.stream(), row["size"])
    except TooLong:
        raise Refusal(413, f"More than the announced {row['size']} bytes.", code="EntityTooLarge") from None
    service.storage.run(
        "UPDATE assets SET sha256 = ?, size = ?, updated_at = ? WHERE id = ? AND NOT confirmed",
        sha256,
        size,
        service.clock(),
        row["id"],
    )
    return Response(status_code=200, headers={"ETag": f'"{sha256}"'})


async def get_bytes(request: Request) -> Response:
    """GET from a signed URL. The file name in it is decoration."""
    service = service_of(request)
    row = _permitted(request, "GET")
    if row["sha256"] is None:
        raise not_found("asset", row["id"])
    headers = {"ETag": f'"{row["sha256"]}"', "X-Content-Type-Options": "nosniff"}
    if row["size"] <= PIECE:  # one read from the page cache is cheaper than four hops to a thread
        return Response(service.blobs.read(row["sha256"]), media_type=row["mime_type"], headers=headers)
    return FileResponse(service.blobs.path(row["sha256"]), media_type=row["mime_type"], headers=headers)


def _permitted(request: Request, method: str) -> sqlite3.Row:
    """The asset that the URL's signature opens for this method. Raises 400 or 403."""
    service = service_of(request)
    if "authorization" in request.headers:
        raise Refusal(400, "Only one auth mechanism allowed: send no Authorization header.", code="InvalidArgument")
    asset_id = parse_id(request.path_params["asset_id"])
    if asset_id is None or not service.signer.allows(method, asset_id, request.url.query):
        raise Refusal(403, "The signature is wrong or the URL has expired.", code="AccessDenied")
    return service.find("assets", "asset", asset_id)


ROUTES = [
    Route("/v1/asset-uploads", open_upload, methods=["POST"]),
    Route("/v1/asset-uploads/{asset_upload_id}/confirmations", confirm_upload, methods=["POST"]),
    Route("/v1/assets/types", list_types, methods=["GET"]),
    Route("/v1/assets/{id}", read_asset, methods=["GET"]),
    Route("/storage/{asset_id}/{name:anything}", put_bytes, methods=["PUT"]),
    Route("/storage/{asset_id}/{name:anything}", get_bytes, methods=["GET"]),
]
