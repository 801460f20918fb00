"""A folder on a share whose server hangs: every call to it waits, on real threads and in real time."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import rule

from runflowd.core.model import BatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runflowd.core.model import Rule


@pytest.fixture
def anyio_backend() -> str:
    """Real time: virtual time stands still while a thread works, and here some work for ever."""
    return "trio"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed within seconds."""
    monkeypatch.setattr("runflowd.pipeline.io_guard.RESPONSE_TIMEOUT", 1.0)
    monkeypatch.setattr("runflowd.pipeline.worker_loop.MAX_IDLE", 0.1)


@contextmanager
def hanging(folder: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """No call that names `folder` returns until what is given is called, as of a mount whose server is gone."""
    back = threading.Event()

    def waits(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *rest: Any, **named: Any) -> Any:
            if path == folder:
                back.wait()
            return call(path, *rest, **named)

        return called

    with monkeypatch.context() as patch:
        for name in ("open", "stat"):
            patch.setattr(os, name, waits(getattr(os, name)))
        try:
            yield back.set
        finally:
            back.set()


def quick(folder: Path, name: str) -> Rule:
    """A rule over folders of its own, without long waits."""
    return rule(folder / name, name=name, settle=0.05, rescan=0.2, batch=BatchLimits(quiet=0.1, max_wait=0.5))


async def until(fact: Callable[[], bool]) -> None:
    """Look until it is so."""
    with anyio.fail_after(60):
        while not fact():
            await anyio.sleep(0.02)
