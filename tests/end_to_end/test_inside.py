"""Folders that are inside each other by another path, as a bind mount makes them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from daemon_process import picture, promised, until

if TYPE_CHECKING:
    from daemon_process import Installation
    from kernel_namespace import Namespace

CHECK = (sys.executable, "-m", "runflowd", "check", "-c")


def test_an_output_that_gets_into_the_input_by_a_mount_is_left_out(
    installation: Installation, namespace: Namespace
) -> None:
    """While the daemon runs: its results are not taken, and it is told; the rest goes on (scenario 139)."""
    installation.enter = namespace.enter
    installation.configure(rescan="1s")
    installation.write("a.jpg", first := picture())
    installation.start()
    installation.wait_for_rest("a.jpg")
    (installation.input / "results").mkdir()
    namespace.run("mount", "--bind", str(installation.output), str(installation.input / "results"))
    with installation.explained():
        until(lambda: installation.incidents() == {"OUTPUT_INSIDE"}, "the output is inside")
    installation.write("b.jpg", second := picture())
    installation.wait_for_rest("a.jpg", "b.jpg")
    namespace.unmount(installation.input / "results")
    with installation.explained():
        until(lambda: not installation.incidents(), "it is not inside any more")

    assert promised({"a.jpg": first, "b.jpg": second}) == installation.books()


@pytest.mark.parametrize("case", ["output in input", "mount in input", "mount above output"])
def test_an_output_that_is_inside_the_input_by_a_mount_is_refused(
    installation: Installation, namespace: Namespace, case: str
) -> None:
    """By `check`, with both places; no text and no link says so, device and inode do (scenario 139)."""
    folder = installation.folder
    for name in ("in/deep", "alias", "real/out"):
        (folder / name).mkdir(parents=True)
    bound, point, output = {
        "output in input": ("in", "alias", "alias/deep/out"),
        "mount in input": ("real/out", "in/deep", "real/out"),
        "mount above output": ("real", "in/deep", "real/out"),
    }[case]
    namespace.run("mount", "--bind", str(folder / bound), str(folder / point))
    installation.configure(output=output)
    refused = f"{' '.join((*CHECK, str(installation.config)))} > {folder}/told 2>&1; test $? = 78"
    namespace.run("sh", "-c", refused)

    told = (folder / "told").read_text()
    assert ("lies inside watch of this rule" in told, "by another path" in told) == (True, True)
