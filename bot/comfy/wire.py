"""ComfyDeploy's protocol without I/O: what to send, and what an answer or a webhook means."""

from __future__ import annotations

from bot.comfy.body import WireError
from bot.comfy.calls import QueueCall, parse_queue_reply, parse_upload_reply
from bot.comfy.deployments import DeploymentInfo, InputType, parse_deployment, parse_deployments
from bot.comfy.faults import error_from_cancel, error_from_http
from bot.comfy.reports import parse_run, parse_webhook

__all__ = [
    "DeploymentInfo",
    "InputType",
    "QueueCall",
    "WireError",
    "error_from_cancel",
    "error_from_http",
    "parse_deployment",
    "parse_deployments",
    "parse_queue_reply",
    "parse_run",
    "parse_upload_reply",
    "parse_webhook",
]
