"""The demonstration's folder: a configuration, photos to drop, and where the results will be."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Collection

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

EXTRA_PLAN = (
    ("clips", "", "photos/olive-oil.jpg"),
    ("clips", "", "photos/headphones.jpg"),
    ("voice", "", "texts/welcome.txt"),
)
"""Rule, subfolder and file of each drop of a rule that a machine may have no libraries for."""

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
    """One file on its way into a watched folder; `path` is relative to the rule's folder."""

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
        """Copy every file into its watched folder."""
        for drop in self.drops:
            target = self.folder / "in" / drop.rule / drop.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(drop.source, target)


def prepare(folder: Path, photos: Path | None, left_out: Collection[str] = ()) -> Workspace:
    """Make the folder with a configuration in it; an earlier demonstration there is removed.

    `left_out` are rules that this machine cannot do. Raises FolderInUse, NoPhotos, OSError.
    """
    drops = _own(photos) if photos else _planned(sample(), left_out)
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise FolderInUse(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    workspace = Workspace(folder.resolve(), drops)
    workspace.config.write_text(_without((sample() / "runflowd.yaml").read_text("utf-8"), left_out), "utf-8")
    for rule, _, _ in (*PLAN, *EXTRA_PLAN):
        (folder / "in" / rule).mkdir(parents=True, exist_ok=True)
    return workspace


def sample() -> Path:
    """The sample configuration and photos: inside the installed package, or in `configs/demo` of a checkout."""
    installed = Path(str(resources.files("runflowd.demo"))) / "sample"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs" / "demo"


def _without(text: str, rules: Collection[str]) -> str:
    """The sample's text without these rules, each of which is a paragraph of it, comments included."""
    paragraphs = text.rstrip().split("\n\n")
    return (
        "\n\n".join(each for each in paragraphs if not any(f"\n  {rule}:\n" in f"\n{each}\n" for rule in rules)) + "\n"
    )


def _planned(source: Path, left_out: Collection[str]) -> tuple[Drop, ...]:
    photos = tuple((rule, folder, f"photos/{name}.jpg") for rule, folder, name in PLAN)
    return tuple(
        Drop(rule, str(PurePath(folder, PurePath(file).name)), source / file)
        for rule, folder, file in (*photos, *EXTRA_PLAN)
        if rule not in left_out
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
