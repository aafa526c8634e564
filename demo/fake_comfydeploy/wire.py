"""Convert runs to JSON with the keys, order and mistakes of recorded answers and webhooks.

All functions are pure.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any

from demo.fake_comfydeploy.describe import USER, related_id
from demo.fake_comfydeploy.runs import WAITING, Output, Run

Link = Callable[[str], str]  # maps the path of a file to its public URL
GET_ITEM_KEYS = ("url", "type", "filename", "is_public", "subfolder", "upload_duration")
DIALECT = {"not-started": "queued", "queued": "queued", "success": "completed", "timeout": "failed"}
UNDOCUMENTED = "provisioning"
SAME_IN_DIALECT = frozenset({"failed", "cancelled"})


def dump(body: Any) -> bytes:
    """Write compact UTF-8, as FastAPI does."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def api_time(moment: datetime | None) -> str | None:
    """Format a time as pydantic does: `…T14:04:33.439000Z`."""
    return None if moment is None else moment.replace(tzinfo=None).isoformat() + "Z"


def webhook_time(moment: datetime) -> str:
    """Format a time as the service does, which cuts off three characters to keep milliseconds.

    If a time has no fraction, this cuts off its seconds, such as `:33`.
    """
    return moment.replace(tzinfo=None).isoformat()[:-3] + "Z"


def single(value: float) -> float:
    """Round to the four bytes of the database column: 0.12 -> 0.11999999731779099."""
    stored: float = struct.unpack("f", struct.pack("f", value))[0]
    return stored


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None


def _item_for_get(item: Any, link: Link) -> Any:
    """Return an output's item without the keys that GET lacks, such as a video's `format`."""
    if isinstance(item, str):
        return item
    kept = {key: item[key] for key in GET_ITEM_KEYS if key in item}
    return kept | {"url": link(kept["url"])} if "url" in kept else kept


def _output_for_get(run: Run, output: Output, link: Link) -> dict[str, Any]:
    return {
        "id": output.id,
        "output_id": output.output_id,
        "run_id": run.id,
        "data": {kind: [_item_for_get(item, link) for item in items] for kind, items in output.data.items()},
        "node_meta": output.node_meta,
        "created_at": api_time(output.created_at),
        "updated_at": api_time(output.created_at),
        "type": None,
        "node_id": None,
    }


def run_for_get(run: Run, link: Link, queue_position: int | None) -> dict[str, Any]:
    """Return the body of `GET /run/{id}`, including the webhook URL with its secret."""
    return {
        "id": run.id,
        "workflow_version_id": related_id(run.deployment.id, "version"),
        "workflow_inputs": run.inputs,
        "workflow_id": related_id(run.deployment.id, "workflow"),
        "machine_id": related_id(run.deployment.id, "machine"),
        "origin": "api",
        "status": run.status,
        "ended_at": api_time(run.ended_at),
        "created_at": api_time(run.created_at),
        "updated_at": api_time(run.updated_at or run.created_at),
        "queued_at": api_time(run.queued_at),
        "started_at": api_time(run.started_at),
        "gpu_event_id": None,
        "gpu": run.gpu,
        "machine_version": None,
        "machine_type": "classic" if run.deployment.classic else "comfy-deploy-serverless",
        "modal_function_call_id": None if run.deployment.classic else "fc-01LOCAL",
        "user_id": USER,
        "org_id": None,
        "live_status": run.live_status,
        "progress": single(run.progress),
        "is_realtime": False,
        "webhook": run.webhook,
        "webhook_status": None,
        "webhook_intermediate_status": run.intermediate,
        "outputs": [_output_for_get(run, output, link) for output in run.outputs],
        "number": 0,
        "duration": _seconds(run.created_at, run.ended_at) if run.started_at else None,
        "cold_start_duration": _seconds(run.queued_at, run.started_at),
        "cold_start_duration_total": _seconds(run.created_at, run.started_at),
        "run_duration": _seconds(run.started_at, run.ended_at),
        "queue_position": queue_position,
    }


def _item_for_webhook(item: Any, link: Link) -> Any:
    return item if isinstance(item, str) or "url" not in item else item | {"url": link(item["url"])}


def output_for_webhook(run: Run, output: Output, link: Link) -> dict[str, Any]:
    body: dict[str, Any] = {
        "run_id": run.id,
        "data": {
            kind: [_item_for_webhook(item, link) for item in items] for kind, items in output.data.items()
        },
        "created_at": webhook_time(output.created_at),
        "id": output.id,
        "node_meta": output.node_meta,
        "updated_at": webhook_time(output.created_at),
    }
    return body | ({"output_id": output.output_id} if output.output_id else {})


def event(run: Run, event_type: str, progress: float, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the body of a webhook."""
    body = {
        "event_type": event_type,
        "status": UNDOCUMENTED if run.faults.undocumented and run.status in WAITING else run.status,
        "live_status": run.live_status,
        "progress": progress,
        "run_id": run.id,
        "outputs": outputs,
    }
    if run.faults.other_dialect:
        status = str(body["status"])
        body["status"] = status if status in SAME_IN_DIALECT else DIALECT.get(status, "processing")
        body["progress"] = round(progress * 100, 2)
    return body


def log_of(run: Run) -> list[dict[str, Any]]:
    """Return the body of `GET /v2/clickhouse-run-logs/{id}`."""
    unknown = dict.fromkeys(("user_id", "org_id", "log_type"))
    return [
        {"run_id": run.id, "timestamp": api_time(line.at), "log": line.text, **unknown} for line in run.log
    ]
