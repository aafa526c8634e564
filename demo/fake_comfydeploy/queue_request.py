"""The body of a queue call, checked exactly as little as the real server does; errors in FastAPI's format."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError

Scalar = str | int | float | bool


class Gpu(StrEnum):
    CPU = "CPU"
    T4 = "T4"
    L4 = "L4"
    A10G = "A10G"
    L40S = "L40S"
    A100 = "A100"
    A100_80GB = "A100-80GB"
    H100 = "H100"
    H200 = "H200"
    B200 = "B200"


class QueueRequest(BaseModel):
    """Unknown fields are ignored; inputs may name anything, only null and objects are refused."""

    deployment_id: UUID
    inputs: dict[str, Scalar | list[Scalar]] = {}
    webhook: str | None = None
    webhook_intermediate_status: bool | None = False
    gpu: Gpu | None = None


def parse_queue_request(body: bytes) -> QueueRequest | list[dict[str, Any]]:
    """The request, or what the answer 422 has as `detail`."""
    try:
        parsed = json.loads(body)
    except ValueError as error:
        return [_not_json(error)]
    try:
        return QueueRequest.model_validate(parsed)
    except ValidationError as error:
        found = cast("list[dict[str, Any]]", error.errors(include_url=False))
        return [_as_fastapi(item) for item in found]


def _not_json(error: ValueError) -> dict[str, Any]:
    at, why = (error.pos, error.msg) if isinstance(error, json.JSONDecodeError) else (0, str(error))
    ctx = {"error": why}
    return {"type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error", "input": {}, "ctx": ctx}


def _as_fastapi(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "loc": ["body", *item["loc"]]}
