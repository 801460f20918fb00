"""Who the watched folder of a rule is, asked before anything in it counts as new or as deleted.

The same goes for every disk that is mounted below it. What is not recognised is strange: it is left alone, an
incident tells of it, and it ends when the old one is back or the operator accepts the new one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.identity import Evidence, Identity, is_likely, is_surely
from runflowd.core.incident_scope import ScopeKind
from runflowd.observability.incidents import IncidentReport
from runflowd.store.roots import Roots, roots_of, roots_of_others, sample_of, save_roots
from runflowd.system.mounts import mounts_below

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection
    from runflowd.store.roots import Sample

log = structlog.get_logger()

COARSEST = 2_000_000_000
"""Nanoseconds by which a time may differ on a file system that keeps it coarsely, as FAT does."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The root, what was known below it, and the disks `mounted` there, as they were met; None for what is away."""

    met: dict[str, Identity | None]
    mounted: frozenset[str]


async def recognise(context: Context, watched: WatchedRule) -> Roots:
    """Judge the folders of a rule, mark those that have none, and put it on record. Raises FileError."""
    rule = watched.rule
    known, others = await context.store.read(
        lambda connection: (roots_of(connection, rule.name), roots_of_others(connection, rule.name))
    )
    found = await watched.folder_io.read(survey, watched, known)
    doubts = doubtful(known, found)
    samples = await context.store.read(partial(samples_of, rule=rule.name, folders=doubts)) if doubts else {}
    roots = await watched.folder_io.read(judged, rule, known, found, samples)
    if "" not in roots.strange:
        roots = await watched.folder_io.read(_marked, rule, known, roots, others)
    if roots != known:
        await context.store.write(watched.held(partial(save_roots, rule=rule.name, roots=roots)))
        _log_unmarked(rule, known, roots)
    return roots


def survey(watched: WatchedRule, known: Roots) -> Survey:
    """Ask every folder that counts who it is. Blocking. Raises FileError when the root cannot be looked at."""
    root = watched.rule.watch
    met: dict[str, Identity | None] = {"": files.identify(root)}
    mounted = frozenset(path for path in mounts_below(root) if not watched.rule.matcher.prunes(path))
    for path in sorted((known.folders.keys() | mounted) - {""}):
        met[path] = None
        with suppress(files.FileError):
            met[path] = found = files.identify(root, path)
            if (found.device, found.inode) in watched.outputs:
                del met[path]
    return Survey(met, mounted)


def doubtful(known: Roots, found: Survey) -> list[str]:
    """The folders that only their files can vouch for."""
    return [path for path, met in found.met.items() if met is None or not is_surely(known.folders.get(path), met)]


def samples_of(connection: Connection, rule: str, folders: list[str]) -> dict[str, Sample]:
    """The files that would vouch for each folder."""
    return {folder: sample_of(connection, rule, folder) for folder in folders}


def judged(rule: Rule, known: Roots, found: Survey, samples: dict[str, Sample]) -> Roots:
    """Each folder as recognised or strange. Blocking.

    Below a strange root nothing can be known. A disk that was unmounted for good is an ordinary folder again.
    """
    roots = Roots()
    for path, met in found.met.items():
        before, sample = known.folders.get(path), samples.get(path)
        if path and sample is not None and not sample.files:
            sample = None  # nothing was there to be taken for deleted
        if sample is None or (met is not None and is_likely(before, met, _evidence(rule.watch, sample))):
            if met is not None and (not path or path in found.mounted):
                roots.folders[path] = met
        else:
            roots.strange[path] = met
            roots.folders.update({path: before} if before else {})
        if "" in roots.strange:
            return replace(roots, folders=known.folders)
    return roots


def still_recognised(root: str, roots: Roots | None) -> bool:
    """Whether all that was recognised still stands there. Blocking."""
    try:
        return roots is not None and all(
            is_surely(known, files.identify(root, path))
            for path, known in roots.folders.items()
            if path not in roots.strange
        )
    except files.FileError:
        return False


def strangeness(rule: Rule, roots: Roots) -> IncidentReport:
    """The report of the strange folders of a rule."""
    paths = sorted(roots.strange)
    where = f"{rule.watch}/{paths[0]}".rstrip("/")
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    return IncidentReport(
        ScopeKind.WATCH.of(rule.name),
        "WATCH_CHANGED",
        f"rule {rule.name}: {where}{more} is not the folder that it was: a disk is not mounted, another one is, or "
        "the folder was replaced. Nothing in it counts as new or as deleted",
        f"Mount it or put it back; the rule goes on by itself then. If what is there now is right: `runflowd resume "
        f"{rule.name} --accept-folder`; the results of files that are not in it stay",
        slowest=60.0,
    )


def _evidence(root: str, sample: Sample) -> Evidence:
    present = sum(_is_there(root, *expected) for expected in sample.files)
    return Evidence(sample.worked, len(sample.files), present)


def _is_there(root: str, path: str, size: int | None, mtime_ns: int) -> bool:
    try:
        found = files.stat(root, path)
    except files.FileError:
        return False
    if found is None:
        return False
    return (size is None or found.size == size) and abs(found.mtime_ns - mtime_ns) <= COARSEST


def _marked(rule: Rule, known: Roots, roots: Roots, others: list[Identity]) -> Roots:
    """The folders with a mark on each that can bear one. Blocking."""
    marked: dict[str, Identity] = {}
    for path, met in roots.folders.items():
        mark = met.mark
        if path in roots.strange:
            pass
        elif path not in known.folders and any(_is_copy(met, other) for other in others):
            mark = files.mark_folder(rule.watch, path, anew=True)
        elif not mark:
            mark = files.mark_folder(rule.watch, path)
        marked[path] = replace(met, mark=mark)
    return replace(roots, folders=marked)


def _is_copy(one: Identity, other: Identity) -> bool:
    """Whether a new folder has its mark from another that stands elsewhere, as a copy has."""
    return bool(one.mark) and one.mark == other.mark and one.boot == other.boot and not one.is_place_of(other)


def _log_unmarked(rule: Rule, known: Roots, roots: Roots) -> None:
    for path, met in roots.folders.items():
        if not met.mark and path not in known.folders:
            log.warning(
                "no mark can be written into this folder: until the next boot its device and inode say whether it is "
                "the same one, after that the files in it do",
                action="watch.unmarked",
                rule=rule.name,
                path=f"{rule.watch}/{path}".rstrip("/"),
            )
