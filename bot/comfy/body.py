"""Bodies from outside: any bytes become a value or a WireError, nothing else."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


class WireError(ValueError):
    """A body that is not what the protocol says. Its text never quotes the body, which may hold secrets."""


def load(body: bytes) -> Any:
    """JSON as a value. The parser refuses NaN, invalid UTF-8 and more than 200 levels; 1e999 it reads as infinity."""
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {str(error)[:100]}") from None
