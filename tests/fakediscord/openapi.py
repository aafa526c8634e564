"""Check the bot's request bodies against Discord's official API description.

This needs the package `jsonschema` and a copy of the description; neither comes with this project.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fakediscord.core import BodyCheck


def load_check(path: Path) -> BodyCheck:
    """Return a check for `FakeDiscord(check_body=…)`; mistakes are kept in `request_log.schema_mistakes`."""
    jsonschema: Any = importlib.import_module("jsonschema")
    description = json.loads(path.read_text("utf-8"))
    validators = {
        route: jsonschema.Draft202012Validator(schema | {"components": description["components"]})
        for route, schema in _schemas(description)
    }

    def check(route: str, body: object) -> Iterator[str]:
        validator = validators.get(_shape(route))
        for error in validator.iter_errors(_with_text_ids(body)) if validator is not None else ():
            deepest = jsonschema.exceptions.best_match([error])
            yield f"{'.'.join(map(str, deepest.absolute_path))}: {deepest.message[:300]}"

    return check


def _with_text_ids(value: object, key: str = "") -> object:
    """Turn ids that discord.py sends as numbers, which Discord accepts, into strings."""
    if isinstance(value, dict):
        return {name: _with_text_ids(item, name) for name, item in value.items()}
    if isinstance(value, list):
        if key in ("users", "roles"):
            return [str(item) for item in value]
        parts = [_with_text_ids(item) for item in value]
        if key == "attachments":
            parts = [part | {"id": str(part["id"])} if isinstance(part, dict) else part for part in parts]
        return parts
    return value


def _schemas(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method in ("post", "put", "patch"):
            content = item.get(method, {}).get("requestBody", {}).get("content", {})
            if "application/json" in content:
                yield _shape(f"{method.upper()} {path}"), content["application/json"]["schema"]


def _shape(route: str) -> str:
    """Return a path without parameter names, which differ in the description; `@original` is a path there."""
    return re.sub(r"\{\w+\}", "{}", route)
