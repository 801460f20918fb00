"""The sections that set up the daemon itself; each field with a description and an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runflowd.config.addresses import ListenText, Url  # noqa: TC001  pydantic reads the annotations
from runflowd.config.types import Folder, OrWord, Percentage, SecretFile, Text, duration, size
from runflowd.core.model import MAX_BATCH_ITEMS, MAX_UPLOAD_BYTES
from runflowd.core.review import ReviewMode  # noqa: TC001  pydantic reads the annotation

HOSTED_URL = "https://api.runflow.io"

_HOUR = 3600.0
_DAY = 86400.0
_MIB = 2**20
_GIB = 2**30


def described(description: str, *examples: Any, default: Any = None, **more: Any) -> Any:
    """A field that explains itself; without `default` it may be left out and is None then."""
    return Field(default=default, description=description, examples=list(examples), **more)


class Section(BaseModel):
    """A mapping of the YAML file: unknown keys are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CallbacksSection(Section):
    """Let the service report finished batches at once; polling works without."""

    public_url: Url = described(
        "The https address under which the service reaches this daemon's web listener.",
        "https://hooks.example.com/runflow",
        default=...,
    )
    secret_file: SecretFile = described(
        "A file that holds the secret by which the service signs its callbacks. "
        "$CREDENTIALS_DIRECTORY/callback-secret is read first.",
        "/etc/runflowd/callback-secret",
        default=...,
    )
    previous_secret_file: SecretFile | None = described(
        "The secret that was valid before, accepted too while a rotation is under way.",
        "/etc/runflowd/callback-secret.old",
    )


class LocalSection(Section):
    """Run the models on this machine, with no account."""

    folder: Folder | None = described(
        "Where the local service keeps its files; a folder beside the state file by default.",
        "/var/lib/runflowd/local",
    )
    weights: Folder | None = described(
        "The ONNX file of the cut-out model; the one in the cache folder by default.",
        "/var/cache/runflowd/u2netp.onnx",
    )
    listen: ListenText | None = described(
        "Also serve the local API on this address; by default none is known to others. Its key, new at each start, "
        "is in `api-key` in the folder of the local service.",
        "127.0.0.1:8788",
    )
    api_variants: dict[str, Any] | None = described(
        "For trials: behave as another reading of the API's documentation has it (docs/local-service.md).",
        {"batch_body": "reference"},
    )
    faults: dict[str, Any] | None = described(
        "For trials: make these troubles (docs/local-service.md).", {"runs": [{"kind": "fail"}]}
    )


class ServiceSection(Section):
    """Who does the work: the hosted service, or `local` for this machine."""

    url: Url | None = described(
        "The address of the service; the hosted one by default.", HOSTED_URL, "http://127.0.0.1:8788"
    )
    organization: Text | None = described(
        "The organization to bill, sent as X-Organization-Id; the key's own by default.",
        "5b2f1c1e-7a52-4f0a-9a3c-0d8f6f2f9a10",
    )
    api_key_file: SecretFile | None = described(
        "A file that holds the API key. $CREDENTIALS_DIRECTORY/api-key is read first; "
        "$RUNFLOW_API_KEY is used when there is neither.",
        "/etc/runflowd/credentials/api-key",
    )
    allow_http: bool = described(
        "Allow an http address that is not on this machine. The API key then crosses the network in the clear.",
        True,
        default=False,
    )
    callbacks: CallbacksSection | None = described(
        "Let the service report finished batches; polling works without.",
        {
            "public_url": "https://hooks.example.com/runflow",
            "secret_file": "/etc/runflowd/callback-secret",
        },
    )
    local: Annotated[LocalSection, OrWord(LocalSection, {True: {}})] | None = described(
        "Run the models on this machine instead; `service: local` for short.",
        {"folder": "/var/lib/runflowd/local"},
        True,
    )


class LogSection(Section):
    """What the daemon writes about its work."""

    format: Literal["auto", "console", "json"] = described(
        "How lines look: console for people, json for programs, auto, the default, for "
        "console on a terminal and json elsewhere.",
        "json",
        default="auto",
    )
    level: Literal["debug", "info", "warning", "error"] = described(
        "The least severe lines that are written: debug, info, warning or error; info by default.",
        "debug",
        default="info",
    )


class LimitsSection(Section):
    """How much is done at once, for all rules together."""

    uploads: int = described(
        "Most uploads at the same time; 64 by default. How many really are is learned from the service.",
        8,
        default=64,
        ge=1,
        le=64,
    )
    downloads: int = described(
        "Most downloads at the same time; 64 by default. How many really are is learned from the service.",
        8,
        default=64,
        ge=1,
        le=64,
    )
    batches: int = described("Most batches being submitted at the same time; 4 by default.", 4, default=4, ge=1, le=32)
    free_space: Annotated[int, size(0, 2**50)] = described(
        "Nothing is bought or downloaded while the disk of an output folder has less space than this left; "
        "256MiB by default.",
        "256MiB",
        "5GiB",
        default=256 * _MIB,
    )
    upload_size: Annotated[int, size(1, MAX_UPLOAD_BYTES)] = described(
        "The largest file that is sent; larger ones fail with a note. 50MiB by default, the most the service takes.",
        "50MiB",
        "20MB",
        default=MAX_UPLOAD_BYTES,
    )
    download_size: Annotated[int, size(_MIB, 16 * _GIB)] = described(
        "The largest result that is accepted; 2GiB by default.", "2GiB", default=2 * _GIB
    )


class BatchSection(Section):
    """When the files that wait are sent together, and how long that may then take."""

    quiet: Annotated[float, duration(0, _HOUR)] | None = described(
        "Send when nothing new has come for this long.", "5s"
    )
    max_wait: Annotated[float, duration(0, _DAY)] | None = described(
        "Send at the latest when the oldest file has waited this long.", "60s", "10m"
    )
    max_items: int | None = described(
        "Send when this many files wait; the service takes 100 at most.", 100, ge=1, le=MAX_BATCH_ITEMS
    )
    max_bytes: Annotated[int, size(1, 5 * _GIB)] | None = described(
        "Send when the files that wait are this large together.", "512MiB"
    )
    deadline: Annotated[float, duration(1, 30 * _DAY)] | None = described(
        "Report a batch that has no result after this long at the service; by default after an hour, or ten times "
        "what is usual for the model if that is longer. It is kept and asked about all the same.",
        "6h",
    )


class ReviewSection(Section):
    """Which results a person judges before, or after, they are delivered."""

    mode: ReviewMode | None = described(
        "off: results are delivered and nobody is asked. after: they are delivered, and judged where they are. hold: "
        "they are delivered once they are accepted, and wait out of sight until then. off by default.",
        "hold",
        strict=False,
    )
    which: Percentage | None = described(
        "all, or a share such as 10%, drawn by the content of the source, so that it is the same for every try; "
        "all by default.",
        "all",
        "10%",
    )
