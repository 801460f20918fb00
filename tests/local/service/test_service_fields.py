"""Every record has every field that the API reference gives it, under the default API variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from local_service import PASS_THROUGH, local_service

from runflowd.local.faults.plan import Faults, RunFault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

BATCH = (
    "id org_id target_type_code target_type target_id status_code source_code items_total items_succeeded "
    "items_failed items_cancelled input resolved_template_id dispatch_provider_link_id cost output metadata "
    "callback_url duration_ms failure_code failure_message failure_stage_code created_by created_at started_at "
    "completed_at links items"
)
RUN = (
    "id flow_id model_id comfyui_workflow_id target_type target_version org_id status_code source_code input output "
    "context duration_ms cost cost_breakdown nodes_total nodes_completed resolved_template_id batch_id client_ref "
    "jurisdiction_code flow_version_id request_id created_by created_at started_at completed_at callback_url "
    "metadata has_logs has_node_runs links failure_code failure_message failure_stage_code node_runs "
    "feedback_is_positive feedback_reason source_chat_message_id current_evaluation_summary"
)
ITEM = (
    "id batch_id sequence_index run_id created_at client_ref status_code input cost output error failure_message "
    "started_at completed_at run"
)
ASSET = (
    "id org_id folder_id name r2_key url thumbnail_url mime_type size_bytes asset_type source_type source_id "
    "created_by created_at updated_at deleted_at deleted_by created_by_user"
)
MODEL = (
    "id org_id model_creator_id slug name description version is_public is_open_source icon_url cover_url "
    "category_code status_code family_id family_variant_code param_count architecture license_code max_resolution "
    "lora_support fine_tuning supports_streaming paper_url github_url is_official availability_status seo "
    "notable_features content pricing_note created_at created_by deleted_at deleted_by inputs outputs"
)
INPUT = (
    "id model_id name display_name description variable_type_code default_behavior_code validator_code "
    "validator_attrs is_required default_value sort_order is_featured"
)
PRICE = (
    "id model_id pricing_model_code rule_effect_code model_input_id match_value dimension_code min_value max_value "
    "price currency_code unit_code multiplier_label description sort_order disabled_at measurement_source"
)
DELIVERY = (
    "id batch_id callback_url payload_bytes payload signing_secret_id is_automatic status_code failure_reason_code "
    "failure_detail attempt_count max_attempts next_attempt_at created_at updated_at completed_at attempts"
)
ATTEMPT = "id delivery_id attempt_number status_code response_body response_time_ms error_message created_at"
SECRET = "id org_id key_prefix is_current label disabled_at last_used_at created_at updated_at"
ME = "id email first_name last_name avatar_url timezone locale_code email_verified_at memberships"
BALANCE = "id org_id balance low_balance_threshold low_balance_notified_at created_at updated_at"
PAYLOAD = "event batch_id status output duration_ms created_at completed_at metadata"
CREATED = (
    "id target_type target_id status_code items_total items_succeeded items_failed items_cancelled items output "
    "cost metadata callback_url created_at started_at completed_at"
)
LEAN = "id sequence_index run_id status_code client_ref"


async def records(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """One record of each kind, with the fields it has to have."""
    faults = Faults(runs=(RunFault(match="bad", kind="fail"),))
    async with local_service(folder, faults=faults) as caller:
        secret = (await caller.http.post("/v1/callback-secrets", json={})).json()
        asset = (await caller.upload())["id"]
        items = [{"image_url": f"runflow://assets/{asset}", "client_ref": ref} for ref in ("good", "bad")]
        made = await caller.batch(*items, callback_url="https://hook.example/")
        await caller.idle()
        path = f"/v1/batches/{made['id']}"
        batch, listed = await caller.get(path), await caller.get(f"{path}/items")
        run = await caller.get(f"/v1/runs/{batch['items'][1]['run_id']}")
        model = await caller.get(PASS_THROUGH)
        (delivery,) = await caller.get(f"{path}/callback")
        return {
            "created batch": (CREATED, made),
            "batch": (BATCH, batch),
            "lean item": (LEAN, batch["items"][0]),
            "list": ("items first next previous", listed),
            "item": (ITEM, listed["items"][0]),
            "run": (RUN, run),
            "run in an item": (RUN, listed["items"][1]["run"]),
            "log": (
                "id run_id level_code message timestamp meta run",
                (await caller.get(f"/v1/runs/{run['id']}/logs"))["items"][0],
            ),
            "asset": (ASSET, await caller.get(f"/v1/assets/{asset}?embed=created_by_user")),
            "model": (MODEL, model),
            "input": (INPUT, model["inputs"][0]),
            "output": ("name variable_type_code validator_code validator_attrs", model["outputs"][0]),
            "price": (PRICE, (await caller.get(f"/v1/models/{model['id']}/pricing"))["items"][0]),
            "delivery": (DELIVERY, delivery),
            "attempt": (ATTEMPT, delivery["attempts"][0]),
            "payload": (PAYLOAD, delivery["payload"]),
            "batch output": ("items succeeded failed cancelled total", delivery["payload"]["output"]),
            "new secret": (f"plain_secret {SECRET}", secret),
            "secret": (SECRET, await caller.get(f"/v1/callback-secrets/{secret['id']}")),
            "me": (ME, await caller.get("/v1/auth/me")),
            "balance": (BALANCE, await caller.get("/v1/billing/balance")),
        }


async def test_no_documented_field_is_missing(tmp_path: Path) -> None:
    """Sections 1 to 3 and 5 to 9 of what is known of the API, record by record."""
    told = await records(tmp_path)

    assert {} == {
        name: missing for name, (fields, record) in told.items() if (missing := set(fields.split()) - record.keys())
    }


async def test_a_failed_run_says_why_and_costs_nothing(tmp_path: Path) -> None:
    """In all three of its fields, on the run and on its item."""
    told = await records(tmp_path)
    _, run = told["run"]

    assert ("PROVIDER_ERROR", "inference", "0") == (run["failure_code"], run["failure_stage_code"], run["cost"])
