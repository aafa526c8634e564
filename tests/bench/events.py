"""Build bodies of webhooks, and raw HTTP requests with them."""

from __future__ import annotations

import json
from typing import Any

import aiohttp


def body(run_id: str, status: str, progress: float, outputs: list[dict[str, Any]] | None = None) -> bytes:
    """Return a webhook's body, with the same keys as recorded webhooks of ComfyDeploy."""
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


async def send_success(web: aiohttp.ClientSession, address: str, run_id: str, url: str) -> None:
    """Send the webhook of a success with one picture. Raises ClientResponseError if it is refused."""
    content = body(run_id, "success", 1.0, [picture_output(url)])
    async with web.post(address, data=content, headers={"Content-Type": "application/json"}) as answer:
        answer.raise_for_status()
