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
        for error in validator.iter_errors(body) if validator is not None else ():
            deepest = jsonschema.exceptions.best_match([error])
            yield f"{'.'.join(map(str, deepest.absolute_path))}: {deepest.message[:300]}"

    return check


def _schemas(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method in ("post", "put", "patch"):
            content = item.get(method, {}).get("requestBody", {}).get("content", {})
            if "application/json" in content:
                yield _shape(f"{method.upper()} {path}"), content["application/json"]["schema"]


def _shape(route: str) -> str:
    """Parameters have other names there, and `@original` is a path of its own."""
    return re.sub(r"\{\w+\}", "{}", route)
