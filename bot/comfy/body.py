"""Bodies from outside: any bytes become a value or a WireError, nothing else."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json


class WireError(ValueError):
    """A body that is not what the protocol says. Its text never quotes the body, which may hold secrets."""


def load(body: bytes) -> Any:
    """JSON as a value. Refuses NaN, bad UTF-8 and more than 200 levels; 1e999 reads as infinity."""
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {str(error)[:100]}") from None


def load_object(body: bytes) -> dict[str, Any]:
    """A JSON object; WireError for anything else."""
    value = load(body)
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def uuid_of(data: dict[str, Any], field: str) -> str:
    """The UUID under `field`, in lower case; WireError when there is none."""
    value = data.get(field)
    text = value.lower() if isinstance(value, str) else ""
    if not _UUID.fullmatch(text):
        raise WireError(f"{field} is not a UUID")
    return text
