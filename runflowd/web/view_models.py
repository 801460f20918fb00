"""What the status page is made of, every part in the words and numbers that it shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number at the top; `tone` is "", "good", "warn" or "bad". It leads to `address`, its note to `noted`; "" for
    nowhere.
    """

    label: str
    value: str
    note: str = ""
    tone: str = ""
    address: str = ""
    noted: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a rule's bar, from `start` over `width`, in percent."""

    tone: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule; `counts` are in the order of the page's columns: a name, a number, and where these files are shown.

    `progress` says in words what `bar` shows. `switch` is what a button can do about it: pause, resume or "".
    """

    name: str
    model: str
    watch: str
    output: str
    address: str
    counts: tuple[tuple[str, str, str], ...]
    bar: tuple[Segment, ...]
    progress: str
    switch: str = ""
    held: str = ""
    """How many files a limit of money holds, and what they would cost; "" for none."""


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit of money; `now` of `most` dollars count against it, in so many words."""

    name: str
    key: str
    words: str
    note: str
    tone: str
    now: str
    most: str
    bar: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One open batch with its clock; its files are shown at `address`."""

    short: str
    full: str
    rule: str
    model: str
    word: str
    tone: str
    items: str
    address: str
    age: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """An incident, a pause, or a file that needs attention.

    Where `files` of `rule` wait for an approval there is a button, and where a pause is somebody's, one to `resume`.
    """

    title: str
    detail: str
    remedy: str
    tag: str = ""
    since: str = ""
    rule: str = ""
    files: int = 0
    resume: bool = False


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Files that failed for one cause. Retry is for the file of `reference`, or, without one, for `rule` and `code`.

    `retry` words the button, "" where there is none. At `address` the files are shown.
    """

    title: str
    detail: str
    remedy: str
    tag: str
    since: str
    address: str
    retry: str = ""
    reference: str = ""
    rule: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class HostRow:
    """One of several machines on one database."""

    name: str
    word: str
    tone: str
    intake: str
    lacks: str
    batches: str
    files: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page, worded."""

    headline: str
    tone: str
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    columns: tuple[str, ...]
    rules: tuple[RuleRow, ...]
    limits: tuple[LimitRow, ...]
    batches: tuple[BatchRow, ...]
    incidents: tuple[ProblemRow, ...]
    warnings: tuple[ProblemRow, ...]
    paused: tuple[ProblemRow, ...]
    all_paused: bool
    failures: tuple[FailureRow, ...]
    failed: str
    more_failures: str
    partial: tuple[ProblemRow, ...]
    waiting: tuple[ProblemRow, ...]
    hosts: tuple[HostRow, ...]
    state: str
    pid: str
