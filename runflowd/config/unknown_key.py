"""What to write instead of a key that there is not: the one that is meant, or where it belongs, or what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.config.document_tree import keys_of, section_at
from runflowd.core.suggestion import closest

if TYPE_CHECKING:
    from runflowd.config.yaml.events import Path

_INLINE_SECRETS = {
    "api_key": "a key has no place in this file; put it into a file of its own and name that in api_key_file",
    "secret": "a secret has no place in this file; put it into a file of its own and name that in secret_file",
}

_REPLACED: dict[Path, str] = {
    ("limits", "unasked"): "unknown key; `approve: {above_files: 1000}` of a rule or of defaults says it now"
}
"""Keys of earlier versions whose place another one took under another section."""

_OTHER_WORDS = {
    "watch": "folder dir directory path source src from in input_dir input_folder in_dir watched watch_folder",
    "output": "destination dest target to out output_dir output_folder out_dir out_folder results",
    "model": "model_id model_name endpoint pipeline workflow",
    "input": "inputs params parameters arguments args options",
    "include": "glob globs pattern patterns filter filters extensions ext match only",
    "accept": "types media kinds formats content_type",
    "exclude": "ignore ignored skip without",
    "settle": "delay debounce stable stability wait wait_for",
    "rescan": "interval poll polling scan sweep every refresh",
    "name": "naming filename file_name rename template",
    "on_delete": "delete deleted",
    "existing": "backlog initial old_files",
    "enabled": "disabled active paused",
    "batch": "batching batches",
    "review": "approval moderation judge",
    "max_file_size": "max_size size_limit",
    "url": "base_url endpoint host address api_url",
    "api_key_file": "key_file token_file key_path credentials token",
    "organization": "org organisation workspace account tenant",
    "allow_http": "insecure",
    "listen": "port bind address host",
    "users_file": "users passwords htpasswd auth",
    "state": "database db state_file storage",
    "log": "logging logs",
    "web": "page server http ui dashboard",
    "notify": "notifications alerts alert email",
    "money": "budget budgets currency costs",
    "rules": "rule folders jobs",
    "service": "api provider runflow backend",
    "format": "style output",
    "level": "verbosity loglevel",
    "timezone": "tz zone",
    "per_day": "daily day max_per_day",
    "per_month": "monthly month max_per_month",
    "per_file": "max_per_file max_price",
    "max_items": "size count max batch_size limit",
    "max_wait": "timeout max_delay",
    "quiet": "wait delay interval idle",
    "webhook": "url hook http",
    "apprise": "email mail slack teams discord telegram ntfy matrix pushover sms",
}
"""What others call a key. Where a section has the key, its other words mean that."""

_INPUTS = frozenset(
    (
        "prompt",
        "negative_prompt",
        "image",
        "image_url",
        "image_urls",
        "seed",
        "strength",
        "style",
        "background",
        "width",
        "height",
    )
)
"""What many models take."""

_FEW = 9
"""Keys of a section that are all named."""

_MOST_USED = {
    "rules": ("watch", "output", "model", "input", "include", "exclude", "after", "review"),
    "defaults": ("exclude", "settle", "batch", "after", "review", "approve"),
}
"""Of a section with more keys, those that nearly every configuration has."""


class UnknownKeys:
    """What is said of the unknown keys of one configuration; which keys a section has is said once.

    `missing` are the paths of keys that must be there and are not, `meant` those that unknown ones stand for.
    """

    def __init__(self, missing: set[Path]) -> None:
        self._missing = missing
        self._listed: set[Path] = set()
        self.meant: set[Path] = set()

    def message(self, path: Path) -> str:
        """The sentence about the unknown key at a path."""
        name = str(path[-1])
        if said := _INLINE_SECRETS.get(name) or _REPLACED.get(path):
            return said
        known = keys_of(section_at(path[:-1]))
        # A key that is missing beside the unknown one is the likeliest meaning of it.
        lacking = [each for each in known if (*path[:-1], each) in self._missing]
        meant, place = _other_word(name, lacking) or _other_word(name, known), ""
        if not meant and not (place := _place_of(path, known)):
            meant = closest(name, known, likeliest=lacking)
        if place:
            return f"unknown key; it belongs into {place}"
        if meant:
            self.meant.add((*path[:-1], meant))
            return f"unknown key; did you mean {meant}?"
        if name.isdigit():
            return "unknown key; a comma separates keys here, so write an amount with a point, such as 50.00"
        return _no_such_key(path[:-1], known, self._listed)


def _other_word(name: str, known: list[str]) -> str:
    word = name.lower().replace("-", "_")
    return next((key for key in known if word in _OTHER_WORDS.get(key, "").split()), "")


def _place_of(path: Path, known: list[str]) -> str:
    """The section that has such a key: one within this one, or one that stands elsewhere; "" for none."""
    name = str(path[-1])
    if name in _INPUTS and "input" in known:
        return "input"
    if within := next((key for key in known if name in keys_of(section_at((*path[:-1], key)))), None):
        return within
    if len(path) > (3 if path[0] == "rules" else 2):
        return ""  # deep inside, a name means something of its own
    if path[0] != "rules" and name in keys_of(section_at(("rules", "any"))):
        return "each rule, below rules"
    beside = next((key for key in keys_of(section_at(())) if name in keys_of(section_at((key,)))), None)
    return f"{beside}, beside rules" if beside and beside != path[0] else ""


def _no_such_key(section: Path, known: list[str], listed: set[Path]) -> str:
    """What there is instead, unless that was said of this section before."""
    if not known or section in listed:
        return "unknown key"
    listed.add(section)
    inputs = "; what the model gets belongs into input" if section[:1] == ("rules",) and "input" in known else ""
    anchors = "" if section else "; what only holds anchors has a name such as x-shared"
    if len(known) <= _FEW:
        return f"unknown key; there are {', '.join(known)}{inputs}{anchors}"
    used = ", ".join(_MOST_USED.get(str(section[0]), tuple(known[:_FEW])))
    return f"unknown key{inputs}; most used are {used}; `man runflowd.yaml` or `runflowd schema` has all {len(known)}"
