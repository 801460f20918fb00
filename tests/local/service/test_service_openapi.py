"""The service against its own OpenAPI document, with generated requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from local_service import ServiceProcess
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from runflowd.local.http import account, assets, batches, callbacks, catalog, runs
from runflowd.local.http.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

schema = schemathesis.openapi.from_dict(document())
# Not schemathesis' own parametrization: it gives every case the same id, and by those tests are dealt out to workers.
OPERATIONS = {found.ok().label: found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service for all operations."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def known(server: ServiceProcess) -> dict[str, str]:
    """Path parameters that lead to something, by the start of the path."""
    asset = server.upload()
    hook = "http://127.0.0.1:1/"
    batch = {"input": [{"image_url": asset["url"], "promt": "x"}], "callback_url": hook}
    made = server.http.post("/v1/models/runflow/pass-through/batches", json=batch).json()
    body = {"input": {"image_url": asset["url"], "promt": "x"}, "callback_url": hook}
    run = server.http.post("/v1/models/runflow/pass-through/runs", json=body).json()
    secret = server.http.post("/v1/callback-secrets").json()
    while not (log := server.http.get(f"/v1/runs/{run['id']}/logs").json()["items"]):
        pass
    return {
        "/v1/assets/{id}": asset["id"],
        "asset_upload_id": asset["id"],
        "/v1/batches/{id}": made["id"],
        "batch_id": made["id"],
        "/v1/batches/{batch_id}/items/{id}": made["items"][0]["id"],
        "/v1/runs/{id}": run["id"],
        "run_id": run["id"],
        "/v1/runs/{run_id}/logs/{id}": log[0]["id"],
        "/v1/callback-secrets/{id}": secret["id"],
        "owner": "runflow",
        "slug": "pass-through",
        "model_id": "runflow/pass-through",
    }


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_documented(label: str, server: ServiceProcess, known: dict[str, str]) -> None:
    """No 5xx, no undocumented status or type, no answer outside its schema; for things that exist or not."""

    @given(case=OPERATIONS[label].as_strategy())
    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def holds(case: Any) -> None:
        case.call_and_validate(base_url=server.url, checks=CHECKS, headers={"Authorization": "Bearer x"})
        for name in case.path_parameters:
            case.path_parameters[name] = known.get(case.operation.path) if name == "id" else known.get(name)
        if case.path_parameters:
            case.call_and_validate(base_url=server.url, checks=CHECKS, headers={"Authorization": "Bearer x"})

    holds()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/{owner}/{slug}/batches", {"items": [{"input": {"image_url": "data:,x", "client_ref": "r"}}]}),
        ("/v1/models/{owner}/{slug}/runs", {"input": {"image_url": "data:,x"}, "metadata": {"a": 1}}),
    ],
)
def test_a_creation_is_as_documented(server: ServiceProcess, path: str, body: dict[str, Any]) -> None:
    """Generated bodies hardly ever name an image, so the good case has its own test."""
    answer = server.http.post(path.format(owner="runflow", slug="pass-through"), json=body)
    schema[path]["POST"].validate_response(answer)

    assert 201 == answer.status_code


def test_every_operation_but_the_probes_needs_a_key(server: ServiceProcess) -> None:
    """401 as documented, even for things that do not exist."""
    operations = [(path, method, found[method]) for path, found in document()["paths"].items() for method in found]

    answers = {path: server.bare.request(method, server.url + path).status_code for path, method, _ in operations}

    assert {path: 200 if "security" in operation else 401 for path, _, operation in operations} == answers


def test_every_route_is_in_the_document() -> None:
    """And the document claims no route that is not there."""
    routes = {
        (route.path.replace(":path", ""), method.lower())
        for module in (account, assets, batches, callbacks, runs, catalog)
        for route in module.ROUTES
        for method in route.methods or ()
        if method != "HEAD" and route.path.startswith("/v1/") and route.path != "/v1/credit-balances"
    }
    claimed = {(path, method) for path, found in document()["paths"].items() for method in found}

    assert routes == claimed
