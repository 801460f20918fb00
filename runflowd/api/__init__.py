"""A typed async client of the Runflow API that survives every reading of its documentation."""

from __future__ import annotations

from runflowd.api.client import Runflow
from runflowd.api.download import Download
from runflowd.api.errors import (
    ApiError,
    Conflict,
    Expired,
    Gone,
    NotFound,
    OutOfCredit,
    Permanent,
    RateLimited,
    Rejected,
    Scope,
    Transient,
    Unauthorized,
    Unsafe,
)
from runflowd.api.rejection import Rejection
from runflowd.api.settings import Limits, SecretKey, Service
from runflowd.api.statistics import Traffic
from runflowd.api.values import (
    Asset,
    Batch,
    CallbackSecret,
    Created,
    CreatedItem,
    Credit,
    Failure,
    Identity,
    Item,
    ModelDetail,
    ModelInput,
    Page,
    Run,
    Status,
    Upload,
)

__all__ = [
    "ApiError",
    "Asset",
    "Batch",
    "CallbackSecret",
    "Conflict",
    "Created",
    "CreatedItem",
    "Credit",
    "Download",
    "Expired",
    "Failure",
    "Gone",
    "Identity",
    "Item",
    "Limits",
    "ModelDetail",
    "ModelInput",
    "NotFound",
    "OutOfCredit",
    "Page",
    "Permanent",
    "RateLimited",
    "Rejected",
    "Rejection",
    "Run",
    "Runflow",
    "Scope",
    "SecretKey",
    "Service",
    "Status",
    "Traffic",
    "Transient",
    "Unauthorized",
    "Unsafe",
    "Upload",
]
