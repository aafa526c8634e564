"""Read `deployments.toml` and report its mistakes together, as sentences."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.deployments.schema import (
    CLASSIFY,
    ChoiceConfig,
    DeploymentConfig,
    FollowUpConfig,
    InputConfig,
    SizesConfig,
)
from bot.domain.backend import InputClass
from bot.domain.errors import StartupError
from bot.domain.mistakes import mistakes

Classify = Callable[[str], InputClass]
_MODELS = (DeploymentConfig, InputConfig, ChoiceConfig, SizesConfig, FollowUpConfig)
_SETTINGS = tuple(dict.fromkeys(name for model in _MODELS for name in model.model_fields))


def single_deployment(deployment_id: str) -> DeploymentConfig:
    """Return the configuration of a single deployment that only the backend describes.

    Raises ValidationError if the id is not a UUID.
    """
    return DeploymentConfig(name="default", deployment_id=deployment_id)


def load_deployments_file(path: Path, classify: Classify) -> tuple[DeploymentConfig, ...]:
    """Return the deployments in file order. Raises StartupError with every mistake.

    `classify` returns the backend's input class for the name in `class_type`.
    """
    configs: list[DeploymentConfig] = []
    found: list[str] = []
    for name, table in _tables(path).items():
        values = {**table, "name": name} if isinstance(table, dict) else table
        try:
            configs.append(DeploymentConfig.model_validate(values, context={CLASSIFY: classify}))
        except ValidationError as error:
            at = f"deployments.{name}"
            told = mistakes(error, at, _SETTINGS)
            found += (text.replace(f"{at}.name: ", f"{at}: its name ") for text in told)
    found += _collisions(configs)
    if found:
        raise StartupError(*found)
    return tuple(configs)


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
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"{path.name} can't be read as TOML: {error}") from None
    except UnicodeDecodeError:
        raise StartupError(f"{path.name} is not UTF-8 text") from None
    except RecursionError:
        raise StartupError(f"{path.name} can't be read as TOML: its brackets are nested too deep") from None
    except ValueError:
        # Python refuses to parse integers of more than 4,300 digits, and tomllib passes that error on.
        raise StartupError(f"{path.name} can't be read as TOML: a number in it has too many digits") from None
    except OSError as error:
        raise StartupError(f"{path} can't be read: {error.strerror}") from None


def _collisions(configs: Iterable[DeploymentConfig]) -> Iterator[str]:
    """Yield a mistake for each deployment that is described twice."""
    by_id: dict[str, str] = {}
    for config in configs:
        other = by_id.setdefault(config.deployment_id, config.name)
        if other != config.name:
            yield f"deployments.{config.name}: has the same deployment_id as {other}"
