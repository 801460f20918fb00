"""A real browser, driven as a person would, by Debian's chromium and its driver; without them its tests are skipped."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AXE = Path(__file__).parents[1] / "data" / "axe.min.js"
"""axe-core 4.14.1 (MPL-2.0): the file as its authors publish it; see NOTICE."""

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic", "--hide-scrollbars", "--disable-dev-shm-usage"),
)

WAIT_TIMEOUT = 60.0
"""Seconds until a fact that does not come true fails a test."""

MISSING = (
    "the screens are not tried in a browser: {} is not installed (on Debian: apt install chromium chromium-driver)"
)

WIDE, NARROW = (1280, 900), (390, 844)


class Browser:
    """One browser with one tab."""

    def __init__(self, driver: Any, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str, *, size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
        """Show a screen, in a window of this size and in light or dark."""
        width, height = size
        facts = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", facts)
        scheme_facts = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_facts)
        self.driver.get(self.base + path)

    def script(self, body: str, *given: Any) -> Any:
        """What a script returns, run as the page's own console would."""
        return self.driver.execute_script(body, *given)

    def until(self, fact: str | Callable[[], Any], what: str = "") -> Any:
        """Wait until a JavaScript expression, or a function, is true; give what it is then."""
        deadline = time.monotonic() + WAIT_TIMEOUT
        while not (found := self.script(f"return {fact}") if isinstance(fact, str) else fact()):
            assert time.monotonic() < deadline, f"not within {WAIT_TIMEOUT:g} s: {what or fact}"
            time.sleep(0.05)
        return found

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    @property
    def focused(self) -> str:
        """What a person hears of the element that has the focus: its words."""
        return str(self.script("const e = document.activeElement; return e.ariaLabel || e.innerText || e.name || ''"))

    def complaints(self) -> list[str]:
        """What the browser's console has said since the last time: errors and what the content policy stopped."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the screen, by rule and element."""
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
        found = self.driver.execute_async_script(
            "const done = arguments[0], short = (node) => node.html.slice(0, 120);"
            "axe.run(document, {resultTypes: ['violations']}).then("
            "(found) => done(JSON.stringify(found.violations.map((each) => [each.id, each.nodes.map(short)]))))"
        )
        return [f"{rule}: {node}" for rule, nodes in json.loads(found) for node in nodes]


@contextmanager
def browser() -> Iterator[Any]:
    """A driver over a browser with a fresh profile. Skips the test where none is installed."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    for name, place in programs.items():
        if place is None:
            pytest.skip(MISSING.format(name))
    webdriver = pytest.importorskip("selenium.webdriver", reason=MISSING.format("selenium"))
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    options.page_load_strategy = "eager"
    for each in OPTIONS:
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs["chromedriver"]))
    try:
        yield driver
    finally:
        driver.quit()
