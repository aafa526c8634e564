"""The recorded exchanges with the real service, as bytes to parse.

Each file is trimmed to what tests read: the last GET of a run, the first webhook of each kind and state
and the last one, one of its inputs, and of a workflow the node that has a secret.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "samples" / "comfydeploy"


def sample(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return data


def names(prefix: str) -> list[str]:
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))


def encode(body: Any) -> bytes:
    """Return a recorded body as bytes; text/plain is recorded as a string."""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def answer(name: str) -> tuple[int, bytes]:
    response = sample(name)["response"]
    return response["status"], encode(response["body"])
