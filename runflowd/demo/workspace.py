"""The demonstration's folder: a configuration, photos to drop, and where the results will be."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from runflowd.errors import RunflowdError

MARK = ".runflowd-demo"
"""Says that a folder is a demonstration's own and may be emptied by the next one."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

PLAN = (
    ("white-studio", "bath", "hand-wash"),
    ("white-studio", "bath", "face-cream"),
    ("white-studio", "kitchen", "olive-oil"),
    ("white-studio", "kitchen", "mug"),
    ("backdrops", "peach", "face-cream"),
    ("backdrops", "sage", "olive-oil"),
    ("backdrops", "sky", "mug"),
    ("backdrops", "mustard", "oats-box"),
    ("cutouts", "home", "headphones"),
    ("cutouts", "home", "lamp"),
    ("cutouts", "kitchen", "oats-box"),
    ("cutouts", "bath", "hand-wash"),
    ("marketplace", "", "headphones"),
    ("marketplace", "", "olive-oil"),
    ("stories", "", "stool"),
    ("stories", "", "lamp"),
)
"""Rule, subfolder and photo of each drop."""

OWN_PLAN = (("white-studio", ""), ("backdrops", "sage"), ("cutouts", ""))
"""Rule and subfolder that each photo of somebody's own is dropped into."""


class FolderInUse(RunflowdError):
    """The folder holds something that is not an earlier demonstration."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is not empty and no earlier demonstration. Name another folder with --folder.")


class NoPhotos(RunflowdError):
    """There is nothing to drop."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} has no photos ({', '.join(sorted(SUFFIXES))}). Name another folder with --photos.")


@dataclass(frozen=True, slots=True)
class Drop:
    """One photo on its way into a watched folder; `path` is relative to the rule's folder."""

    rule: str
    path: str
    source: Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """A prepared folder and what is to be dropped into it."""

    folder: Path
    drops: tuple[Drop, ...]

    @property
    def config(self) -> Path:
        """The configuration the daemon is started with."""
        return self.folder / "runflowd.yaml"

    def drop(self) -> None:
        """Copy every photo into its watched folder."""
        for drop in self.drops:
            target = self.folder / "in" / drop.rule / drop.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(drop.source, target)


def prepare(folder: Path, photos: Path | None) -> Workspace:
    """Make the folder with a configuration in it; an earlier demonstration there is removed.

    Raises FolderInUse, NoPhotos, OSError.
    """
    drops = _own(photos) if photos else _planned(sample() / "photos")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise FolderInUse(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    workspace = Workspace(folder.resolve(), drops)
    shutil.copyfile(sample() / "runflowd.yaml", workspace.config)
    for rule, _, _ in PLAN:
        (folder / "in" / rule).mkdir(parents=True, exist_ok=True)
    return workspace


def sample() -> Path:
    """The sample configuration and photos: inside the installed package, or in `configs/demo` of a checkout."""
    installed = Path(str(resources.files("runflowd.demo"))) / "sample"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs" / "demo"


def _planned(photos: Path) -> tuple[Drop, ...]:
    return tuple(
        Drop(rule, f"{folder}/{name}.jpg" if folder else f"{name}.jpg", photos / f"{name}.jpg")
        for rule, folder, name in PLAN
    )


def _own(photos: Path) -> tuple[Drop, ...]:
    found = sorted(path for path in photos.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise NoPhotos(photos)
    return tuple(
        Drop(rule, f"{folder}/{path.name}" if folder else path.name, path)
        for rule, folder in OWN_PLAN
        for path in found
    )
