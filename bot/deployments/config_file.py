"""Read `deployments.toml` and report its mistakes together, as sentences."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.deployments.schema import (
    Choice,
    DeploymentSettings,
    FollowUpSettings,
    InputSettings,
    SizesSettings,
)
from bot.deployments.schema.mistakes import mistakes
from bot.domain.errors import StartupError

_MODELS = (DeploymentSettings, InputSettings, Choice, SizesSettings, FollowUpSettings)
_NAMES = [field.alias or name for model in _MODELS for name, field in model.model_fields.items()]


def single_deployment(deployment_id: str) -> DeploymentSettings:
    """Return the configuration of a single deployment that only the backend describes.

    Raises ValidationError if the id is not a UUID.
    """
    return DeploymentSettings(name="default", deployment_id=deployment_id)


def load_deployments_file(path: Path) -> tuple[DeploymentSettings, ...]:
    """Return the deployments in file order. Raises StartupError with every mistake."""
    configured: list[DeploymentSettings] = []
    found: list[str] = []
    for name, table in _tables(path).items():
        values = {**table, "name": name} if isinstance(table, dict) else table
        try:
            configured.append(DeploymentSettings.model_validate(values))
        except ValidationError as error:
            at = f"deployments.{name}"
            told = mistakes(error, at, _NAMES)
            found += (text.replace(f"{at}.name: ", f"{at}: its name ") for text in told)
    found += _collisions(configured)
    if found:
        raise StartupError(*found)
    return tuple(configured)


def _tables(path: Path) -> Mapping[str, Any]:
    data = _read(path)
    tables = data.pop("deployments", None)
    found = [f"{key}: is not a setting; a deployment is a table [deployments.NAME]" for key in data]
    if not isinstance(tables, dict) or not tables:
        tables = {}
        found.append("no deployment is described; begin with [deployments.NAME]")
    found += (
        f"deployments.{key}.name: is not a setting; the table's name is the deployment's"
        for key, table in tables.items()
        if isinstance(table, dict) and "name" in table
    )
    if found:
        raise StartupError(*found)
    return tables


def _read(path: Path) -> dict[str, Any]:
    """Read and parse the file. Raises StartupError if the file can't be read or isn't TOML."""
    try:
        # Windows editors write a byte order mark, which TOML doesn't allow.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        # No TOML, no UTF-8, brackets that are nested too deep, or a number of more than 4,300 digits.
        raise StartupError(f"{path.name} can't be read as TOML: {error}") from None
    except OSError as error:
        raise StartupError(f"{path} can't be read: {error.strerror}") from None


def _collisions(configured: Iterable[DeploymentSettings]) -> Iterator[str]:
    by_id: dict[str, str] = {}
    for settings in configured:
        other = by_id.setdefault(settings.deployment_id, settings.name)
        if other != settings.name:
            yield f"deployments.{settings.name}: has the same deployment_id as {other}"
