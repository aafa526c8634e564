"""Checks the bot's request bodies against Discord's official API description, for who has a copy of it.

Needs the package `jsonschema`; neither it nor the description comes with this project.
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
    """`FakeDiscord(check_body=load_check(path))`; mistakes are gathered in `books.schema_mistakes`."""
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
    """discord.py sends ids as numbers, which Discord takes and its description does not mention."""
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
    """Parameters have other names there, and `@original` is a path of its own."""
    return re.sub(r"\{\w+\}", "{}", route)
