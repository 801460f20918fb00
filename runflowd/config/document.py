"""The configuration as people write it: every field with a description and an example.

These models are the source of the checks, of the JSON Schema and of `docs/configuration.md`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from runflowd.config.addresses import State  # noqa: TC001  pydantic reads the annotation
from runflowd.config.merged_document import EXTENSION_PREFIX
from runflowd.config.money_section import (  # noqa: TC001  pydantic reads the annotations
    ApproveSection,
    FilePrice,
    MoneySection,
    RuleBudgetSection,
)
from runflowd.config.notify_section import NotifySection  # noqa: TC001  pydantic reads the annotation
from runflowd.config.sections import (
    BatchSection,
    LimitsSection,
    LogSection,
    ReviewSection,
    Section,
    ServiceSection,
    described,
)
from runflowd.config.types import Folder, Model, Naming, OneOrMore, OrWord, PatternText, RuleName, Text, duration, size
from runflowd.config.web_section import DEFAULT_LISTEN, WebSection
from runflowd.core.media.kinds import MediaKind  # noqa: TC001  pydantic reads the annotation
from runflowd.core.model import MAX_UPLOAD_BYTES, AfterKind, Existing, InputLinks, OnDelete, WatchMode
from runflowd.core.money import UnknownPrice  # noqa: TC001  pydantic reads the annotation
from runflowd.core.review import ReviewMode

_HOUR = 3600.0
_DAY = 86400.0


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
        "How long a file must stand still before it counts as complete; 2s by default. What does not say where it ends "
        "must for 10s (MP3, FLAC, Ogg, texts), streamed video and what is in doubt for up to a minute.",
        "2s",
        "30s",
    )
    rescan: Annotated[float, duration(1, _DAY)] | None = described(
        "How often the whole folder is looked through, whatever events say; 5m by default.", "5m", "10s"
    )
    mode: WatchMode | None = described(
        "How changes are noticed: events of the kernel, rescan only, or auto, which rescans network "
        "shares every few seconds and uses events elsewhere; auto by default.",
        "auto",
        "rescan",
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
    input_links: InputLinks | None = described(
        "How a request names an upload: signed, by a link that ages and is renewed before it is sent, or "
        "asset, by `runflow://assets/{id}`, which does not age and which not every service takes; `check --online` "
        "says whether this one does. Where it is refused, signed links are sent. signed by default.",
        "asset",
        strict=False,
    )
    on_delete: OnDelete | None = described(
        "What happens to a result when its source is deleted: keep or remove; keep by default.", "remove", strict=False
    )
    receipts: Folder | None = described(
        "A folder for receipts: one JSON file for each result, and for each failure that was charged, with what was "
        "sent, bought, charged and delivered. Rules may share it. None are written by default.",
        "/srv/runflow/receipts",
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
    review: (
        Annotated[ReviewSection, OrWord(ReviewSection, {str(mode): {"mode": str(mode)} for mode in ReviewMode})] | None
    ) = described(
        "Which results a person judges by `runflowd accept` and `runflowd reject`, and when; the mode alone for short. "
        "off by default, so that nobody is asked.",
        {"mode": "hold", "which": "10%"},
        "hold",
    )
    approve: ApproveSection | None = described(
        "When files wait for `runflowd approve RULE`. By default only a new rule asks, that finds more than 1000 files "
        "in its folder; `approve: {}` asks for nothing.",
        {"first": 10, "above_files": 200, "above_cost": 25},
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
    accept: Annotated[list[Annotated[MediaKind, Field(strict=False)]], OneOrMore()] | None = described(
        "Kinds of file to take, recognised by content: image, video (MP4, MOV, WebM, MKV), audio (MP3, WAV, M4A, FLAC, "
        "Ogg), document (PDF), model (GLB), text (UTF-8); a list or one word. Others are left out, without a note. "
        "By default what `input` names: video for video_url, text for ${file.text}; else image.",
        ["image", "video"],
        "audio",
        min_length=1,
    )
    max_file_size: Annotated[int, size(1, MAX_UPLOAD_BYTES)] | None = described(
        "The largest file that the model takes; larger ones fail before anything is sent. `limits.upload_size` by "
        "default; `check --online` says where a model's own words name a limit.",
        "30MB",
    )
    model: Model = described("The Runflow model, as owner/model.", "runflow/background-replace", default=...)
    input: dict[str, Any] | None = described(
        "What the model gets. ${file.url} stands for the uploaded file, ${file.text} for what stands in a text file, "
        "${file.name}, ${file.stem}, ${file.dir} and ${file.path} for its relative path, ${files.NAME.url} for a file "
        "of `files`. ${zip.url} stands for an archive of the file and the files named in ${zip.files.NAME}, "
        "${zip.file} for its name inside; $${ is a plain ${. "
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
        "What to do with the files that are there when the rule first runs: process or skip; process by default. "
        "Where results for them lie in the output folder already, process asks first: the rule is paused until "
        "`runflowd resume RULE`.",
        "skip",
        strict=False,
    )
    budget: RuleBudgetSection | None = described(
        "What the rule may spend; the limits of `money.budget` hold as well.", {"per_day": 20, "per_file": 0.6}
    )
    price: FilePrice | None = described(
        "What a file costs; by default what the catalogue says of the model, else between the least and "
        "the most of the last 20 charges.",
        0.35,
    )
    unknown_price: UnknownPrice | None = described(
        "Under a limit, what becomes of files whose price nobody knows: ask buys one to learn it, allow buys them all, "
        "refuse buys none. ask by default.",
        "refuse",
        strict=False,
    )
    enabled: bool = described("Whether the rule takes new files; true by default.", False, default=True)


class Document(Section):
    """The configuration of runflowd."""

    # Keys that begin with x- only hold anchors for other sections; they are gone before the checks.
    model_config = ConfigDict(json_schema_extra={"patternProperties": {f"^{EXTENSION_PREFIX}": {}}})

    service: Annotated[ServiceSection, OrWord(ServiceSection, {"local": {"local": {}}})] = described(
        "Who does the work: a section for the hosted service, or `local` for this machine.",
        {"api_key_file": "/etc/runflowd/credentials/api-key"},
        "local",
        default=...,
    )
    state: State | None = described(
        "The state file, on a local disk, or the address of a PostgreSQL database (docs/postgresql.md). By default "
        "$STATE_DIRECTORY/state.db under systemd, else $XDG_STATE_HOME/runflowd/state.db.",
        "/var/lib/runflowd/state.db",
        "postgresql://runflowd@db.example.com/runflowd?sslmode=verify-full",
    )
    web: Annotated[WebSection, OrWord(WebSection, {"off": {"listen": "off"}})] | None = described(
        "The status page, metrics and the callback address; off when left out.", {"listen": DEFAULT_LISTEN}, "off"
    )
    log: LogSection | None = described("What the daemon writes about its work.", {"format": "json", "level": "info"})
    limits: LimitsSection | None = described("How much is done at once, for all rules together.", {"uploads": 4})
    notify: NotifySection | None = described(
        "Who is notified of incidents, and of which; nobody when left out.",
        {"webhook": {"url": "https://hooks.example.com/runflowd"}},
    )
    money: MoneySection | None = described(
        "What may be spent, and when a day begins; nothing is limited when left out.",
        {"timezone": "Europe/Berlin", "budget": {"per_day": 50, "per_month": 600}},
    )
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
