"""A studio at work: photos that went through their rules, some to be judged, one that failed, a batch on its way."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
from local_service import TOKEN, ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_TIMEOUT = 900.0
"""Seconds until the scene has to be set: the models work on the CPU of this machine."""

PHOTOS = {"mug": "kitchen", "olive-oil": "kitchen", "oats-box": "kitchen", "stool": "home", "lamp": "home"}
"""Photos of the demo, and the folder that each lies in."""

DEMO = Path(__file__).parents[2] / "configs" / "demo" / "photos"


class Scene:
    """A daemon with a page, and a service beside it; `judged` is the number of a file whose result waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service = ServiceProcess(folder / "service")
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._page = httpx.Client(base_url=self.address, timeout=30)
        (folder / "runflowd.yaml").write_text(json.dumps(self._configuration()), "utf-8")
        environment = os.environ | {"RUNFLOW_API_KEY": TOKEN, "XDG_CACHE_HOME": str(folder / "cache")}
        command = [sys.executable, "-m", "runflowd", "run", "-c", str(folder / "runflowd.yaml")]
        with (folder / "log").open("wb") as log:
            self._daemon = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            self.judged = self._set()
        except BaseException:
            self._end()
            raise

    def _configuration(self) -> dict[str, Any]:
        def rule(name: str, model: str, **more: Any) -> dict[str, Any]:
            (self._folder / "in" / name).mkdir(parents=True)
            usual = {"watch": f"in/{name}", "output": f"out/{name}", "model": f"runflow/{model}"}
            return {**usual, "input": {"image_url": "${file.url}"}, **more}

        prompt = {"image_url": "${file.url}", "prompt": "white studio, soft shadow"}
        turning = {"start_image_url": "${file.url}", "prompt": "turn slowly"}
        return {
            "service": {"url": self._service.url, "allow_http": True},
            "state": "state.db",
            "web": {"listen": self.address.removeprefix("http://")},
            "money": {"budget": {"per_day": 8}},
            "defaults": {"settle": "200ms", "batch": {"quiet": "1s"}},
            "rules": {
                "white-studio": rule("white-studio", "background-replace", input=prompt, review="hold"),
                "cutouts": rule("cutouts", "background-removal"),
                "lookbook": rule("lookbook", "upscale", approve={"first": 1}),
                "clips": rule("clips", "image-to-video", input=turning),
            },
        }

    def _set(self) -> int:
        self._until(lambda: self._daemon.poll() is None and self._reached())
        for name in PHOTOS:
            self._drop("white-studio", name)
            self._drop("cutouts", name)
        for name in ("mug", "lamp", "stool"):
            self._drop("lookbook", name)
        (self._folder / "in" / "cutouts" / "notes.jpg").write_text("call the printer on Monday\n")
        self._until(lambda: self._has("white-studio", "done", 5) and self._has("cutouts", "done", 5))
        self._until(lambda: self._has("lookbook", "done", 1) and self._has("lookbook", "ready", 2))
        self._service.control(faults={"runs": [{"kind": "stuck", "count": None}]})
        self._drop("clips", "mug")
        self._until(lambda: self._has("clips", "submitted", 1))
        waiting = self._page.get("/files", params={"state": "To review", "name": "mug"}).text
        found = re.search(r'href="/files/(\d+)', waiting)
        assert found is not None
        return int(found[1])

    def _drop(self, rule: str, name: str) -> None:
        place = self._folder / "in" / rule / PHOTOS[name] / f"{name}.jpg"
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(DEMO / place.name, place)

    def _reached(self) -> bool:
        try:
            return self._page.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def _has(self, rule: str, state: str, files: int) -> bool:
        rules = {each["name"]: each for each in self._page.get("/status.json").json()["rules"]}
        return bool(rules[rule]["counts"].get(state, 0) >= files)

    def _until(self, fact: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_TIMEOUT
        while not fact():
            assert time.monotonic() < deadline, (self._folder / "log").read_text("utf-8")[-4000:]
            time.sleep(0.5)

    def _end(self) -> None:
        self._page.close()
        self._daemon.terminate()
        self._daemon.wait(60)
        self._service.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
