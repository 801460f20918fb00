"""The values that travel between modules: frozen, comparable, free of behaviour beyond naming.

Paths are `str` as `os.fsdecode` gives them (undecodable bytes are surrogates), so a file name in
any encoding survives the whole journey. Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from runflowd.core.media.kinds import MediaKind
from runflowd.core.review import UNREVIEWED, ReviewPolicy
from runflowd.core.template import Template

if TYPE_CHECKING:
    from runflowd.core.matcher import Matcher

Json: TypeAlias = Any
"""What `json.loads` can give. Checked where it is read, never trusted."""

MAX_UPLOAD_BYTES = 52_428_800
"""50 MiB, the service's limit for one upload (API reference, asset-uploads: `size_bytes`)."""

MAX_BATCH_ITEMS = 100
"""The service takes 1 to 100 items in one batch (API reference, create a batch)."""


class WatchMode(StrEnum):
    """How changes in a watched folder are noticed; `auto` looks at the file-system type."""

    AUTO = "auto"
    EVENTS = "events"
    RESCAN = "rescan"


LOCAL = "local"
"""The name under which batches of the service on this machine are kept."""


class AfterKind(StrEnum):
    """What happens to a source file once its result is durable."""

    KEEP = "keep"
    MOVE = "move"
    DELETE = "delete"


class OnDelete(StrEnum):
    """What happens to an output when its source file is deleted."""

    KEEP = "keep"
    REMOVE = "remove"


class InputLinks(StrEnum):
    """How an input names an upload: by a signed link, which ages, or by `runflow://assets/{id}`."""

    SIGNED = "signed"
    ASSET = "asset"


class Existing(StrEnum):
    """What a new rule does with files that were there before it."""

    PROCESS = "process"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is sealed: full, heavy, quiet for `quiet` s, or its oldest item `max_wait` s old.

    `deadline` is after how many seconds at the service it counts as overdue; None goes by what is usual.
    """

    quiet: float = 5.0
    max_wait: float = 60.0
    max_items: int = MAX_BATCH_ITEMS
    max_bytes: int = 512 * 1024 * 1024
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class After:
    """What to do with a source after success; `folder` is absolute and set for `move` only."""

    kind: AfterKind = AfterKind.KEEP
    folder: str = ""


@dataclass(frozen=True)
class Rule:
    """One folder, one model, one output folder. Immutable: a reload makes new rules.

    `watch`, `output` and the paths in `files` are absolute. `input` is the rule's template with its
    placeholders unresolved. `include` and `exclude` are gitwildmatch patterns over relative paths.
    `accept` are the kinds of file that are taken, recognised by content, each once and in the order of `MediaKind`.
    `max_file_size` is what the model takes at most, in bytes; None where only the service sets a limit.
    `receipts` is the folder for receipts, absolute; "" where none are written. `review` says which results are judged.

    What is written is parsed once: `matcher` and `template` go along with the rule, which is compared by what is
    written.
    """

    name: str
    watch: str
    output: str
    model: str
    input: dict[str, Json]
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    accept: tuple[MediaKind, ...] = (MediaKind.IMAGE,)
    max_file_size: int | None = None
    files: dict[str, str] = field(default_factory=dict)
    overridable: tuple[str, ...] = ()
    naming: str = "{stem}.{ext}"
    select: str = ""
    overwrite: bool = False
    on_delete: OnDelete = OnDelete.KEEP
    after: After = After()
    existing: Existing = Existing.PROCESS
    settle: float = 2.0
    rescan: float = 300.0
    mode: WatchMode = WatchMode.AUTO
    links: InputLinks = InputLinks.SIGNED
    batch: BatchLimits = BatchLimits()
    receipts: str = ""
    review: ReviewPolicy = UNREVIEWED

    @property
    def delivered_to(self) -> dict[str, str]:
        """The folders that results and receipts are written to, each by its key."""
        return {"output": self.output, **({"receipts": self.receipts} if self.receipts else {})}

    @property
    def written_to(self) -> dict[str, str]:
        """Every folder that the rule writes to beside the watched one, each by its key."""
        moves = {"after.move": self.after.folder} if self.after.kind is AfterKind.MOVE else {}
        return {**self.delivered_to, **moves}

    @cached_property
    def matcher(self) -> Matcher:
        """Which files the rule takes."""
        # Imported here: it takes a third of what `status` imports, which matches no file.
        from runflowd.core.matcher import Matcher  # noqa: PLC0415

        return Matcher(self.include, self.exclude, self.accept)

    @cached_property
    def template(self) -> Template:
        """What is sent for each file."""
        return Template(self.input)


class Stat(NamedTuple):
    """The facts by which a file counts as unchanged; never the inode alone, inodes are reused.

    A tuple, since a rescan makes and compares two of them for each file it passes.
    """

    size: int
    mtime_ns: int
    inode: int


class OutputPath(NamedTuple):
    """A file that runflowd writes: `relative` to an output folder, the `root`, below which no link is followed."""

    root: str
    relative: str

    def __str__(self) -> str:
        return f"{self.root}/{self.relative}"

    def below(self, folder: str) -> str | None:
        """The path of the file below another folder, None where it does not lie in that."""
        path, root = str(self), f"{folder.rstrip('/')}/"
        return path[len(root) :] if path.startswith(root) else None


@dataclass(frozen=True, slots=True)
class Reference:
    """A file named in a rule that goes along with every item: where it is and what it was when last read."""

    path: str
    stat: Stat
    content: str
    mime: str
