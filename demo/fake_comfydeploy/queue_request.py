"""Validate the body of a queue call as loosely as the real server does. Errors have FastAPI's format."""

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
    """A queue call. Unknown fields are ignored. A value of `inputs` can't be null or an object."""

    deployment_id: UUID
    inputs: dict[str, Scalar | list[Scalar]] = {}
    webhook: str | None = None
    webhook_intermediate_status: bool | None = False
    gpu: Gpu | None = None


def parse_queue_request(body: bytes) -> QueueRequest | list[dict[str, Any]]:
    """Return the request, or the `detail` of the answer 422."""
    try:
        parsed = json.loads(body)
    except ValueError as error:
        at, why = (error.pos, error.msg) if isinstance(error, json.JSONDecodeError) else (0, str(error))
        fault = {"type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error"}
        return [{**fault, "input": {}, "ctx": {"error": why}}]
    try:
        return QueueRequest.model_validate(parsed)
    except ValidationError as error:
        found = cast("list[dict[str, Any]]", error.errors(include_url=False))
        return [{**item, "loc": ["body", *item["loc"]]} for item in found]
