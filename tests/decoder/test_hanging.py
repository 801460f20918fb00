"""A decoder that waits in the kernel for a dead share cannot be ended: it holds up that folder alone."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from pictures import encoded, noise
from silent_share import IN_READ, required

from runflowd.decoder import Decoder, Ended, Verdict, asking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from silent_share import SilentShare

pytestmark = pytest.mark.waits

IMAGE = encoded(noise(), "PNG")


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentShare]:
    """A share with a picture; a killed child is given up soon."""
    for name, seconds in (("MAX_DYING", 0.2), ("_PROGRESS", 0.05)):
        monkeypatch.setattr(asking, name, seconds)
    with required(tmp_path / "mnt") as mounted:
        (mounted.behind / "a.png").write_bytes(IMAGE)
        yield mounted


class Asking(threading.Thread):
    """Asks on a thread of its own what a picture in a folder is."""

    def __init__(self, decoder: Decoder, folder: Path, descriptor: int) -> None:
        super().__init__(daemon=True)
        self.found: list[Verdict] | None = None
        self.progress = 0
        self._decoder, self._folder, self._descriptor = decoder, folder, descriptor
        self.start()

    def run(self) -> None:
        with suppress(Ended):
            self.found = self._decoder.judge([(self._descriptor, "image/png")], str(self._folder), self._note)

    def _note(self) -> None:
        self.progress += 1


@contextmanager
def opened(*folders: Path) -> Iterator[list[int]]:
    """The picture in each of these folders; what is opened before a share dies is closed when it is back."""
    descriptors = [os.open(folder / "a.png", os.O_RDONLY) for folder in folders]
    try:
        yield descriptors
    finally:
        for each in descriptors:
            os.close(each)


def until_it_hangs(decoder: Decoder, share: SilentShare) -> None:
    """Wait until a child waits for the share, which it has time for; then let its own time be over."""
    share.until_stopped()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "MAX_ANSWER", 0.0)
        while not decoder._hanging:
            time.sleep(0.01)


def test_a_child_that_cannot_be_ended_holds_up_its_own_folder_alone(share: SilentShare, tmp_path: Path) -> None:
    """It is counted and named, no second one is begun beside it, and its call goes on as soon as the share does."""
    (tmp_path / "a.png").write_bytes(IMAGE)
    decoder = Decoder()
    with opened(share.folder, share.folder, tmp_path) as (first, another, good):
        share.stop(IN_READ)
        dead = Asking(decoder, share.folder, first)
        until_it_hangs(decoder, share)
        noted = dead.progress
        second = Asking(decoder, share.folder, another)
        beside = Asking(decoder, tmp_path, good)
        beside.join(60)
        hanging = list(decoder._hanging)
        silent = (noted, 0) == (dead.progress, second.progress)
        share.go_on()
        dead.join(60)
        second.join(60)

    assert [Verdict(decoded=True)] == beside.found
    assert ([str(share.folder)], True) == (hanging, silent)
    assert ([], [Verdict(decoded=True)], {}) == (dead.found, second.found, decoder._hanging)


def test_the_end_of_the_daemon_waits_for_no_child_that_hangs(share: SilentShare) -> None:
    """Its thread is let go."""
    decoder = Decoder()
    with opened(share.folder) as (descriptor,):
        share.stop(IN_READ)
        dead = Asking(decoder, share.folder, descriptor)
        until_it_hangs(decoder, share)
        decoder.stop()
        dead.join(60)
        let_go = not dead.is_alive()
        share.go_on()

    assert let_go
