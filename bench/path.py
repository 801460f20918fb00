"""The path of one file through the program: every function that a file's way calls and an idle round does not.

Most are private functions and methods, properties and closures: parts of the public ones, which a reader meets where
they are used. So both kinds are counted.

Two rounds of `sync` run in this process, over an empty folder and over the same folder with one file in it. What only
the second one calls is the way of the file: what a reader has to read to know it.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Self

import anyio

import runflowd
from bench.configuration import configuration
from bench.pictures import count_files, fill
from bench.processes import KEY, Service
from bench.report import Figure
from runflowd.app.sync_run import run_once
from runflowd.config import load

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from bench.report import Report

SIZE = 2000
"""Bytes of the file."""

HERE = str(Path(runflowd.__file__).parent) + os.sep


class Calls:
    """The functions of the program that run while this is in use, in the order of their first call."""

    def __init__(self) -> None:
        self.codes: dict[CodeType, None] = {}

    def __enter__(self) -> Self:
        threading.setprofile(self._called)
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(HERE):
            self.codes.setdefault(frame.f_code)

    @property
    def functions(self) -> list[str]:
        """As `pipeline/intake/stage.py Intake.run`, without comprehensions and lambdas."""
        return [
            f"{code.co_filename.removeprefix(HERE)} {code.co_qualname}"
            for code in self.codes
            if not code.co_qualname.endswith(">")
        ]


def is_public(name: str) -> bool:
    """Whether others may call a function, named as `Calls.functions` does; a property and a closure are no such."""
    file, _, qualified = name.partition(" ")
    parts = qualified.split(".")
    if "<locals>" in parts or any(part.startswith("_") for part in parts):
        return False
    found: object = import_module(f"runflowd.{file.removesuffix('.py').replace(os.sep, '.')}")
    for part in parts:
        found = inspect.getattr_static(found, part)
    return not isinstance(found, property | cached_property)


def measure(report: Report, folder: Path) -> None:
    """Count the functions and modules on a file's way, and print them."""
    (folder / "in").mkdir(parents=True)
    os.environ["RUNFLOW_API_KEY"] = KEY
    with Service(folder / "service") as service:
        rules = {"one": (folder / "in", folder / "out")}
        text = configuration(service.url, rules, rest="100ms", state=folder / "state.db")
        (folder / "runflowd.yaml").write_text(text, "utf-8")
        config = load(folder / "runflowd.yaml")
        with Calls() as idle:
            anyio.run(run_once, config, lambda _: None)
        fill(folder / "in", 1, SIZE)
        with Calls() as busy:
            anyio.run(run_once, config, lambda _: None)
    if count_files(folder / "out") != 1:
        raise SystemExit("the file was not delivered")
    known = set(idle.functions)
    way = [name for name in busy.functions if name not in known]
    for name in way:
        print(name)  # noqa: T201  the list is what this is for
    public = [name for name in way if is_public(name)]
    report.add(
        "path: one file, from the watched folder to its result",
        Figure("functions", len(way), "", "<= 80"),
        Figure("of them public functions and methods", len(public), ""),
        Figure("of them private ones, properties and closures", len(way) - len(public), ""),
        Figure("modules", len({name.split()[0] for name in way}), ""),
    )
