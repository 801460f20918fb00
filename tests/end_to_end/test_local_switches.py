"""API variants and faults of the local service as people set them: in the configuration and on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from pictures import encoded
from PIL import Image

if TYPE_CHECKING:
    from command_line import Desk


def test_a_configuration_may_play_a_reading_and_a_fault(desk: Desk) -> None:
    """The reference's body alone is taken, and the one picture fails as it says."""
    faults = {"runs": [{"kind": "fail", "message": "No subject found"}]}
    desk.configure({"local": {"api_variants": {"batch_body": "reference"}, "faults": faults}})
    (desk.input / "a.jpg").write_bytes(encoded(Image.new("RGB", (8, 8)), "JPEG"))

    said = desk.run("sync", "--json")

    assert (3, {"a.jpg.failed.txt"}) == (said.code, set(desk.outputs()))
    assert b"No subject found" in desk.outputs()["a.jpg.failed.txt"]


def test_a_switch_that_does_not_exist_is_a_mistake_in_the_configuration(desk: Desk) -> None:
    """Exit 78, with the path to it."""
    desk.configure({"local": {"faults": {"requests": [{"kind": "locusts"}]}}})

    said = desk.run("sync")

    assert (78, True) == (said.code, "service.local.faults.requests.0.kind: " in said.err)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--api-variants", '{"batch_body": "x"}', "api_variants.batch_body"), ("--faults", "{", "are JSON")],
)
def test_a_switch_that_does_not_exist_is_wrong_usage(desk: Desk, option: str, value: str, told: str) -> None:
    """Exit 2, before anything is started."""
    said = desk.call("local", option, value)

    assert (2, True) == (said.code, told in said.err)


def test_the_command_plays_what_it_is_asked(desk: Desk) -> None:
    """`runflowd local` with a reading, open for control to whoever has its key."""
    process = desk.start("local", "--port", "0", "--folder", "own", "--api-variants", '{"health": "ok"}', "--control")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    key = {"Authorization": f"Bearer {(desk.folder / 'own/api-key').read_text().strip()}"}
    health, control, stranger = (
        httpx.get(f"{url}/v1/health", timeout=30),
        httpx.get(f"{url}/_control", headers=key, timeout=30),
        httpx.get(f"{url}/_control", headers={"Authorization": "Bearer any"}, timeout=30),
    )
    ended = desk.stop(process)

    assert ({"ok": True}, "ok", 401, 0) == (
        health.json(),
        control.json()["api_variants"]["health"],
        stranger.status_code,
        ended,
    )
