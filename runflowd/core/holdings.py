"""What a host had in hand when it died, and how people hear of that and of who has it now."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runflowd.core.fleet import LEASE, NOTIFY, intake_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Holdings:
    """The duties of a host by their names, and how many batches and files it had claimed."""

    duties: tuple[str, ...] = ()
    batches: int = 0
    files: int = 0

    def __str__(self) -> str:
        parts = [
            *_duty_words(self.duties),
            *_counted(self.batches, "batch", "batches"),
            *_counted(self.files, "file", "files"),
        ]
        return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "nothing"


def to_text(holdings: Holdings) -> str:
    """As the store keeps it."""
    return json.dumps(asdict(holdings))


def from_text(text: str) -> Holdings:
    """What the store has kept."""
    found = json.loads(text)
    return Holdings(tuple(found["duties"]), found["batches"], found["files"])


def gone_sentence(name: str, held: Holdings, owners: Mapping[str, str], living: Collection[str]) -> str:
    """That a host is gone, what it held, and who has it now: `owners` are hosts by the names of duties."""
    sentence = f"host {name} is gone: it did not stop in order, and was not seen for {LEASE:g} s. It held {held}"
    heirs: defaultdict[str, list[str]] = defaultdict(list)
    for duty in held.duties:
        heirs[owners.get(duty, "")].append(duty)
    taken = [
        f"{heir or 'nobody yet'} has {Holdings(tuple(duties))}" for heir, duties in sorted(heirs.items(), reverse=True)
    ]
    if held.batches or held.files:
        taken.append(f"what was in hand goes on at {' or '.join(sorted(living))}")
    return f"{sentence}. Now {', '.join(taken)}" if taken else sentence


def gone_remedy(name: str) -> str:
    """What to do about it."""
    return (
        "See to that machine: this ends once runflowd runs there again under that name. If it is not to come back: "
        f"`runflowd hosts remove {shlex.quote(name)}`"
    )


def _duty_words(duties: Collection[str]) -> list[str]:
    rules = sorted(duty.removeprefix(intake_of("")) for duty in duties if duty != NOTIFY)
    return [*([f"the intake of {', '.join(rules)}"] if rules else []), *(["the messages"] if NOTIFY in duties else [])]


def _counted(count: int, one: str, many: str) -> list[str]:
    return [f"{count:,} {one if count == 1 else many}"] if count else []
