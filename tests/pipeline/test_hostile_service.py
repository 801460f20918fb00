"""A service that is not what it says it is: every text of its answers is chosen to escape, to forge or to flood."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from local_service import InProcess
from stage_rig import rule, running

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ESCAPE = "../../../../escaped"
FORGED = "\x1b[2J<script>alert(1)</script>\r\n2026-01-01 [info] all is well\0\u202e" + "x" * 5000
HUGE = 10**400
NEEDED = {"id", "asset_id", "batch_id", "client_ref", "status", "status_code", "url", "upload_url"}
"""Without these nothing would be delivered; they are as honest as a hostile service needs them to be."""


class Hostile(InProcess):
    """The local service, with lies in the place of whatever it may lie about."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        body = await answer.aread()
        if request.url.path.startswith("/storage/"):
            names = {"content-disposition": f'attachment; filename="{ESCAPE}.jpg"', "content-type": f"image/{ESCAPE}"}
            return httpx.Response(answer.status_code, headers=names, content=body, request=request)
        lies = _bent(json.loads(body)) if body else None
        if isinstance(lies, dict) and "items" in lies:
            stranger = {"client_ref": ESCAPE, "run_id": ESCAPE, "status_code": "succeeded", "output": {ESCAPE: ESCAPE}}
            doubled = [{**row, "sequence_index": HUGE} for row in lies["items"] if isinstance(row, dict)]
            lies["items"] = [stranger, None, *doubled, *lies["items"], {**stranger, "client_ref": "\0" * 300}]
        return httpx.Response(answer.status_code, json=lies, headers={"x-request-id": ESCAPE}, request=request)


def _bent(value: Any, name: str = "") -> Any:
    """The same answer with paths in its names and control characters, markup and floods in its texts."""
    if isinstance(value, dict):
        bent = {key: _bent(each, key) for key, each in value.items()}
        return {**bent, "filename": f"{ESCAPE}.jpg", "note": FORGED} if "url" in value else bent
    if isinstance(value, list):
        return [_bent(each, name) for each in value]
    if name in NEEDED or value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return f"{ESCAPE}/{FORGED}" if "message" in name or "detail" in name else value
    return HUGE if name in {"sequence_index", "items_total"} else value


def everything(folder: Path) -> set[str]:
    """Every path below a folder but the service's own and the state file's, links not followed."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in found if not name.startswith(("base/service", "base/state.db"))}


async def test_nothing_a_service_says_becomes_a_path_or_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Traversal in names, ids, references and headers, markup, NULs, huge numbers (scenarios 43, 45, 89)."""
    base = tmp_path / "base"
    async with running(base, rule(base), wire=Hostile) as rig:
        rig.switch(
            api_variants={"file_names": "hostile"},
            faults={"runs": [{"match": "*bad.jpg", "kind": "fail", "message": "no subject"}]},
        )
        for name in ("a.jpg", "x/b.jpg", "bad.jpg"):
            rig.drop(name)
        await rig.settled(3)
        await anyio.sleep(60)
        states, charged = await rig.states(), rig.charged()

    said = capsys.readouterr()
    note = (base / "out/bad.jpg.failed.txt").read_text()
    wanted = {"base", "base/in", "base/in/x", "base/out", "base/out/x", "base/in/a.jpg", "base/in/bad.jpg"}
    wanted |= {"base/in/x/b.jpg", "base/out/a.jpg", "base/out/x/b.jpg", "base/out/bad.jpg.failed.txt"}
    assert {"a.jpg": ItemState.DONE, "x/b.jpg": ItemState.DONE, "bad.jpg": ItemState.FAILED} == states
    assert [1, 1] == charged
    assert wanted == everything(tmp_path)
    assert "alert(1)" in note
    assert not any(character in said.out + said.err + note for character in "\x1b\0\u202e\r")
    assert not any(line.startswith("2026-01-01") for line in (said.out + said.err + note).splitlines())
