"""Build webhook bodies and the raw requests that carry them."""

from __future__ import annotations

import json
from typing import Any


def body(run_id: str, status: str, progress: float, outputs: list[dict[str, Any]] | None = None) -> bytes:
    """Return a body with the keys of the recorded ones."""
    event = {
        "event_type": "run.updated",
        "run_id": run_id,
        "status": status,
        "live_status": f"Executing KSampler {progress:.2f}",
        "progress": progress,
        "outputs": outputs or [],
    }
    return json.dumps(event).encode()


def picture_output(url: str) -> dict[str, Any]:
    item = {"url": url, "type": "output", "filename": "ComfyUI_00001_.png", "subfolder": ""}
    return {"data": {"images": [item]}, "node_meta": {"node_id": "9", "node_class": "SaveImage"}}


def request(path: str, content: bytes) -> str:
    """Return a raw POST for `tests.bench.hammer`."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head + content.decode()
