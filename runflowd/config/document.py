"""The configuration as people write it: every field with a description and an example.

These models are the source of the checks, of the JSON Schema and of `docs/configuration.md`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runflowd.config.fields import (
    Folder,
    ListenOrOff,
    ListenText,
    Model,
    Naming,
    OrWord,
    PatternText,
    RuleName,
    Text,
    Url,
    duration,
    size,
)
from runflowd.core.model import MAX_BATCH_ITEMS, MAX_UPLOAD_BYTES, AfterKind, Existing, OnDelete, WatchMode

HOSTED_URL = "https://api.runflow.io"
DEFAULT_LISTEN = "127.0.0.1:8787"

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
    secret_file: Folder = described(
        "A file that holds the secret by which the service signs its callbacks. "
        "$CREDENTIALS_DIRECTORY/callback-secret is read first.",
        "/etc/runflowd/credentials/callback-secret",
        default=...,
    )
    previous_secret_file: Folder | None = described(
        "The secret that was valid before, accepted too while a rotation is under way.",
        "/etc/runflowd/credentials/callback-secret.old",
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
        "Also serve the local API on this address; by default it has no port.", "127.0.0.1:8788"
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
    api_key_file: Folder | None = described(
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
            "secret_file": "/etc/runflowd/credentials/callback-secret",
        },
    )
    local: Annotated[LocalSection, OrWord(LocalSection, {True: {}})] | None = described(
        "Run the models on this machine instead; `service: local` for short.",
        {"folder": "/var/lib/runflowd/local"},
        True,
    )


class WebSection(Section):
    """The status page, metrics and the callback address."""

    listen: ListenOrOff = described(
        "Where the page listens: host:port, [::1]:port or unix:/path; off for nowhere. "
        "There are no passwords: keep it on this machine or behind a proxy that asks for one.",
        DEFAULT_LISTEN,
        "unix:/run/runflowd/web.sock",
        "off",
        default=DEFAULT_LISTEN,
    )


class LogSection(Section):
    """What the daemon writes about its work."""

    format: Literal["auto", "console", "json"] = described(
        "How lines look: console for people, json for programs, auto for console on a terminal and json elsewhere.",
        "json",
        default="auto",
    )
    level: Literal["debug", "info", "warning", "error"] = described(
        "The least severe lines that are written.", "debug", default="info"
    )


class LimitsSection(Section):
    """How much is done at once, for all rules together."""

    uploads: int = described("Most uploads at the same time.", 8, default=8, ge=1, le=64)
    downloads: int = described("Most downloads at the same time.", 8, default=8, ge=1, le=64)
    batches: int = described("Most batches being submitted at the same time.", 4, default=4, ge=1, le=32)
    free_space: Annotated[int, size(0, 2**50)] = described(
        "Nothing is bought or downloaded while the disk of an output folder has less space than this left.",
        "256MiB",
        "5GiB",
        default=256 * _MIB,
    )
    upload_size: Annotated[int, size(1, MAX_UPLOAD_BYTES)] = described(
        "The largest file that is sent; larger ones fail with a note.", "50MiB", "20MB", default=MAX_UPLOAD_BYTES
    )
    download_size: Annotated[int, size(_MIB, 16 * _GIB)] = described(
        "The largest result that is accepted.", "256MiB", default=256 * _MIB
    )


class BatchSection(Section):
    """When the files that wait are sent together: as soon as one of these is reached."""

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


class MoveSection(Section):
    """Move the source away."""

    move: Folder = described(
        "The folder to move sources to, mirrored as the results are.", "/srv/runflow/done", default=...
    )


class SharedSection(Section):
    """What a rule may set and `defaults` may set for all rules."""

    exclude: list[PatternText] | None = described(
        "Files to leave out, as patterns of .gitignore, read without regard to case. Hidden files and the "
        "droppings of editors and copiers are left out anyway; !*.tmp brings one of those back. "
        "A rule's own patterns come after those of defaults.",
        ["drafts/", "*_wip.*"],
    )
    settle: Annotated[float, duration(0.1, _HOUR)] | None = described(
        "How long a file must stand still before it counts as complete; 2s by default.", "2s", "30s"
    )
    sweep: Annotated[float, duration(1, _DAY)] | None = described(
        "How often the whole folder is looked through, whatever events say; 5m by default.", "5m", "10s"
    )
    mode: WatchMode | None = described(
        "How changes are noticed: events of the kernel, sweep only, or auto, which sweeps network "
        "shares every few seconds and uses events elsewhere; auto by default.",
        "auto",
        "sweep",
        strict=False,
    )
    batch: BatchSection | None = described(
        "When waiting files are sent together; 5s quiet, 60s max_wait, 100 items, 512MiB by default.",
        {"quiet": "5s", "max_wait": "60s", "max_items": 100},
    )
    overwrite: bool | None = described(
        "Replace files in the output folder that runflowd did not write or that someone edited; false by default.",
        True,
    )
    on_delete: OnDelete | None = described(
        "What happens to a result when its source is deleted: keep or remove; keep by default.", "remove", strict=False
    )
    after: (
        Annotated[
            MoveSection | AfterKind,
            OrWord(MoveSection, {"keep": AfterKind.KEEP, "delete": AfterKind.DELETE}),
        ]
        | None
    ) = described(
        "What happens to a source once its result is safe on disk: keep, delete or {move: FOLDER}; keep by default.",
        "keep",
        {"move": "/srv/runflow/done"},
    )


class RuleSection(SharedSection):
    """Whatever lands in this folder goes through this model, and the result appears in that folder."""

    watch: Folder = described(
        "The folder to watch, with all folders in it.", "/srv/runflow/in/white-studio", default=...
    )
    output: Folder = described(
        "The folder for results, at the same relative path as their sources.",
        "/srv/runflow/out/white-studio",
        default=...,
    )
    include: list[PatternText] | None = described(
        "Files to take, as patterns of .gitignore, read without regard to case; all by default.",
        ["**/*.jpg", "**/*.png"],
        min_length=1,
    )
    model: Model = described("The Runflow model, as owner/model.", "runflow/background-replace", default=...)
    input: dict[str, Any] | None = described(
        "What the model gets. ${file.url} stands for the uploaded file, ${file.name}, ${file.stem}, ${file.dir} and "
        "${file.path} for its relative path, ${files.NAME.url} for a file of `files`; $${ is a plain ${. "
        "By default {image_url: ${file.url}}.",
        {"image_url": "${file.url}", "prompt": "white studio, soft shadow"},
        min_length=1,
    )
    files: dict[RuleName, Folder] | None = described(
        "Fixed files that go with every image, such as a logo, by the name that `input` uses.",
        {"logo": "/srv/runflow/brand/logo.png"},
    )
    overridable: list[Text] | None = described(
        "Keys of `input` that a _runflow.yaml in a watched folder may set for the files beneath it.", ["prompt"]
    )
    name: Naming | None = described(
        "The file name of a result, from {stem}, {ext}, {index}, {dir} and {rule}; {stem}.{ext} by default.",
        "{stem}-white.{ext}",
    )
    select: Text | None = described(
        "Which outputs to keep when the model gives several: a pattern for the file name in their address.", "result_*"
    )
    existing: Existing | None = described(
        "What to do with the files that are there when the rule first runs: process or skip; process by default.",
        "skip",
        strict=False,
    )
    enabled: bool = described("Whether the rule takes new files.", False, default=True)


class Document(Section):
    """The configuration of runflowd."""

    service: Annotated[ServiceSection, OrWord(ServiceSection, {"local": {"local": {}}})] = described(
        "Who does the work: a section for the hosted service, or `local` for this machine.",
        {"api_key_file": "/etc/runflowd/credentials/api-key"},
        "local",
        default=...,
    )
    state: Folder | None = described(
        "The state file, on a local disk. By default $STATE_DIRECTORY/state.db under systemd, else "
        "$XDG_STATE_HOME/runflowd/state.db.",
        "/var/lib/runflowd/state.db",
    )
    web: Annotated[WebSection, OrWord(WebSection, {"off": {"listen": "off"}})] | None = described(
        "The status page, metrics and the callback address; off when left out.", {"listen": DEFAULT_LISTEN}, "off"
    )
    log: LogSection | None = described("What the daemon writes about its work.", {"format": "json", "level": "info"})
    limits: LimitsSection | None = described("How much is done at once, for all rules together.", {"uploads": 4})
    defaults: SharedSection | None = described(
        "Settings for every rule that does not set them itself.", {"settle": "5s", "batch": {"quiet": "10s"}}
    )
    rules: dict[RuleName, RuleSection] = described(
        "The rules by name. `rules: {}` is allowed; leaving it out is not.",
        {
            "white-studio": {
                "watch": "/srv/runflow/in/white-studio",
                "output": "/srv/runflow/out/white-studio",
                "model": "runflow/background-replace",
                "input": {"image_url": "${file.url}", "prompt": "white studio, soft shadow"},
            }
        },
        default=...,
    )
