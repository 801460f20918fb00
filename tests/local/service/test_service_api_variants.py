"""Every reading changes what a client sees, and nothing breaks under any of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, get_args

import pytest
from local_service import PASS_THROUGH, Caller, local_service

from runflowd.local.api_variants import ApiVariants
from runflowd.local.faults.plan import Faults, RequestFault, RunFault
from runflowd.local.variant_transforms import rewrite, rules

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.anyio

FAULTS = Faults(
    requests=(RequestFault(route="GET /v1/auth/me", kind="status", status=429),),
    runs=(RunFault(match="fail", kind="fail"), RunFault(match="cancel", kind="cancel")),
)
RUNS = f"{PASS_THROUGH}/runs"
BATCHES = f"{PASS_THROUGH}/batches"
HOOK = "http://hook.example/"
_DEFAULT: dict[str, str] = {}
"""The conversation under the default API variants, held once for all."""


def _choices(name: str) -> tuple[Any, ...]:
    annotation = ApiVariants.model_fields[name].annotation
    return (False, True) if annotation is bool else get_args(annotation)


def _shown(answer: httpx.Response) -> list[Any]:
    """An answer without what differs from run to run: ids, moments, signatures."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", answer.text)
    text = re.sub(r"\b01[0-9A-HJKMNP-TV-Z]{24}", "ULID", text)
    text = re.sub(r"expires=\d+&signature=[0-9a-f]+", "SIGNED", text)
    text = re.sub(r"20\d\d-[\d:.T+-]+", "MOMENT", text)
    text = re.sub(r'"duration_ms":\d+', "DURATION", text)
    late = answer.headers.get("retry-after", "")
    return [answer.status_code, re.sub(r"\w{3}, .* GMT", "DATE", late), text]


async def _transcript(caller: Caller) -> str:
    """A conversation that touches every point of disagreement."""
    http = caller.http
    for _ in ("first", "second"):
        await http.post("/v1/callback-secrets")
    asset = (await caller.upload())["id"]
    items = [{"image_url": "data:image/png,x", "client_ref": name} for name in ("a", "b", "fail", "cancel")]
    answers = [
        await http.get(path)
        for path in (PASS_THROUGH, "/v1/auth/me", "/v1/health", "/v1/billing/balance", "/v1/runs/x")
    ]
    bodies: list[Any] = [
        {"items": [{"input": item} for item in items], "callback_url": HOOK},
        {"input": items, "callback_url": HOOK},
        {"input": [items[0], {}, {}]},
        {"input": [{"image_url": f"runflow://assets/{asset}"}], "callback_url": HOOK},
        {"items": [{"input": items[0], "client_ref": "a"}], "metadata": {}},
        {"input": [items[0]], "unheard_of": 1},
        {"input": [{**items[0], "propmt": "x"}]},
        {"input": 7, "metadata": 7},
    ]
    for body in bodies:
        answers.append(await http.post(BATCHES, json=body))
        await caller.idle()
    answers += [await http.post(RUNS, json={"input": items[0]}, headers={"Idempotency-Key": "r"}) for _ in "12"]
    await caller.idle()
    for body in bodies[:2]:
        answers.append(await http.post(BATCHES, json=body, headers={"Idempotency-Key": "b"}))
        await caller.idle()
    for name in ("a", "fail"):
        run = {"input": {"image_url": "data:,x"}, "client_ref": name, "callback_url": HOOK}
        answers.append(await http.post(RUNS, json=run))
        await caller.idle()
    lifetime = caller.service.settings.url_lifetime
    for name, left in (("ended", -1.0), ("old", lifetime - 90.0)):
        link = caller.service.signer.path("GET", asset, "a.jpg", left)
        run = {"input": {"image_url": f"http://local.test{link}"}, "client_ref": name}
        answers.append(await http.post(RUNS, json=run))
        await caller.idle()
    caller.service.set_balance(caller.service.models["runflow/pass-through"].price)
    answers.append(await http.post("/v1/models/runflow/upscale/runs", json={"input": items[0]}))
    for row in caller.service.storage.all("SELECT id FROM batches ORDER BY number"):
        paths = (f"/v1/batches/{row['id']}", f"/v1/batches/{row['id']}/items?limit=3")
        answers += [await http.get(path) for path in paths]
    filters = ("q=client_ref.EQ:'a'", "q=client_ref:a", "add_signature=true")
    answers += [await http.get(f"/v1/runs?sort_by=created_at:asc&limit=20&{more}") for more in ("", *filters)]
    made = caller.service.storage.all("SELECT id FROM batches ORDER BY number LIMIT 1")
    listed = await http.get(f"/v1/batches/{made[0]['id']}/items") if made else None
    answers += [await caller.fetch(url) for url in _output_urls(listed)]
    sql = "SELECT secrets.number FROM deliveries JOIN secrets ON secrets.id = secret_id ORDER BY deliveries.number"
    signers = [row["number"] for row in caller.service.storage.all(sql)]
    counts = caller.ledger()["counts"]
    events = [(document["event"], json.dumps(document["output"])[:9]) for document in caller.inbox.documents]
    return json.dumps([counts, events, signers, *map(_shown, answers)])


def _output_urls(listed: httpx.Response | None) -> list[str]:
    """The URLs of the pictures in a list of items, without those in the runs beside them."""
    shown = [item["output"] for item in listed.json()["items"]] if listed is not None else []
    return [output["url"] for one in shown if isinstance(one, dict) for output in one.get("outputs", ())]


async def _told(folder: Path, api_variants: ApiVariants) -> str:
    async with local_service(folder, api_variants=api_variants, faults=FAULTS) as caller:
        caller.service.plan.switch(
            FAULTS.model_copy(update={"runs": tuple(f.model_copy(update={"count": None}) for f in FAULTS.runs)})
        )
        return await _transcript(caller)


async def test_the_same_api_variants_tell_the_same_story(tmp_path: Path) -> None:
    """Or the next test would tell apart what is equal."""
    told = [await _told(tmp_path / str(i), ApiVariants()) for i in range(4)]

    assert [told[0]] * 4 == told


@pytest.mark.parametrize("name", list(ApiVariants.model_fields))
async def test_every_choice_of_a_reading_can_be_distinguished_from_the_others(tmp_path: Path, name: str) -> None:
    """No switch is dead, and no two choices are the same."""
    choices = [choice for choice in _choices(name)[1:] if (name, choice) != ("output", "outputs")]  # as the model's
    told = [await _told(tmp_path / str(i), ApiVariants(**{name: choice})) for i, choice in enumerate(choices)]
    told.append(_DEFAULT.get("told") or await _told(tmp_path / "default", ApiVariants()))
    _DEFAULT["told"] = told[-1]

    assert len(told) == len(set(told))


@pytest.mark.parametrize("name", list(ApiVariants.model_fields))
def test_the_first_choice_is_the_default(name: str) -> None:
    """As the module promises."""
    assert _choices(name)[0] == getattr(ApiVariants(), name)


def test_what_the_client_sent_is_echoed_untouched() -> None:
    """No rule reaches into metadata or input."""
    sent = {"status_code": "canceled", "id": "018f0000-0000-7000-8000-000000000001", "cost": "1"}
    api_variants = ApiVariants(words="reference", status_field="status", ids="ulid", cost="number", fields="extra")

    shown = rewrite({"metadata": sent, "input": sent}, rules(api_variants))

    assert {"metadata": sent, "input": sent} == shown


@pytest.mark.parametrize("ids", ["ulid", "prefixed"])
async def test_odd_ids_work_wherever_an_id_is_asked_for(tmp_path: Path, ids: Any) -> None:
    """Whatever the service hands out it takes back."""
    async with local_service(tmp_path, api_variants=ApiVariants(ids=ids)) as caller:
        asset = await caller.upload()
        made = await caller.batch({"image_url": f"runflow://assets/{asset['id']}"})
        await caller.idle()
        batch = await caller.get(f"/v1/batches/{made['id']}")
        item = await caller.get(f"/v1/batches/{made['id']}/items/{batch['items'][0]['id']}")
        run = await caller.get(f"/v1/runs/{item['run_id']}")

    assert ("succeeded", made["id"]) == (run["status_code"], run["batch_id"])


async def test_the_result_stands_last_behind_its_stages(tmp_path: Path) -> None:
    """The first URL is an intermediate, another picture than the one whose name starts with result_."""
    async with local_service(tmp_path, api_variants=ApiVariants(stages=True)) as caller:
        made = await caller.batch({"image_url": "data:,x"})
        await caller.idle()
        outputs = (await caller.get(f"/v1/runs/{made['items'][0]['run_id']}"))["output"]["outputs"]
        contents = [(await caller.fetch(output["url"])).content for output in outputs]

    assert (
        [output["file_name"] for output in outputs],
        contents[0] == contents[1],
    ) == (["bg_remover_00001_.png", "result_0.bin"], False)


async def test_a_hostile_name_still_leads_to_the_picture(tmp_path: Path) -> None:
    """The URL works; the name in it would be `../../..` to whoever believes it."""
    async with local_service(tmp_path, api_variants=ApiVariants(file_names="hostile")) as caller:
        made = await caller.batch({"image_url": "data:,x"})
        await caller.idle()
        (output,) = (await caller.get(f"/v1/runs/{made['items'][0]['run_id']}"))["output"]["outputs"]
        answer = await caller.fetch(output["url"])

    assert (answer.content, output["file_name"].startswith("../../")) == (b"x", True)
