"""Reads `deployments.toml`: all its mistakes at once, in words."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.deployments.schema import ChoiceConfig, DeploymentConfig, InputConfig
from bot.domain.errors import StartupError

_KIND_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "tuple_type": "must be a list",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "too_long": "is too long",
    "string_too_short": "must not be empty",
}
# Stands for one that is missing or wrong, while the rest is looked at.
_ANY_ID = "00000000-0000-4000-8000-000000000000"


def single_deployment(deployment_id: str) -> DeploymentConfig:
    """The quick start: one deployment, all as ComfyDeploy describes it. ValidationError: not a UUID."""
    return DeploymentConfig(name="default", deployment_id=deployment_id)


def load_deployments_file(path: Path) -> tuple[DeploymentConfig, ...]:
    """The deployments in the file's order. StartupError with every mistake, each a sentence."""
    tables = _tables(path)
    configs: list[DeploymentConfig] = []
    mistakes: list[str] = []
    for key, table in tables.items():
        try:
            configs.append(DeploymentConfig.model_validate({**table, "name": key}))
        except ValidationError as error:
            mistakes += (f"{path.name}: deployment '{key}'{text}" for text in _all_of(table, error))
    mistakes += (f"{path.name}: {text}" for text in _collisions(configs))
    if mistakes:
        raise StartupError(*mistakes)
    return tuple(configs)


def _tables(path: Path) -> Mapping[str, Mapping[str, Any]]:
    data = _read(path)
    mistakes = [
        f"{path.name}: unknown setting '{key}'; each deployment is a table [deployments.NAME]"
        for key in data
        if key != "deployments"
    ]
    tables = data.get("deployments")
    if not isinstance(tables, dict) or not tables:
        mistakes.append(f"{path.name}: no deployment is described; begin with [deployments.NAME]")
        raise StartupError(*mistakes)
    mistakes += (
        f"{path.name}: deployment '{key}' must be a table [deployments.{key}]"
        for key, table in tables.items()
        if not isinstance(table, dict)
    )
    mistakes += (
        f"{path.name}: deployment '{key}': unknown setting 'name'; its name is that of its table, and "
        "'title' is how messages call it"
        for key, table in tables.items()
        if isinstance(table, dict) and "name" in table
    )
    if mistakes:
        raise StartupError(*mistakes)
    return tables


def _read(path: Path) -> dict[str, Any]:
    """What the file holds. StartupError whatever it holds instead of TOML."""
    try:
        # A byte order mark is what Windows editors leave; TOML knows none.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"{path.name} can't be read as TOML: {error}") from None
    except UnicodeDecodeError:
        raise StartupError(f"{path.name} is not UTF-8 text") from None
    except RecursionError:
        raise StartupError(f"{path.name} can't be read as TOML: its brackets are nested too deep") from None
    except ValueError:
        # Python turns no more than 4,300 digits into a number, and tomllib lets that through.
        raise StartupError(f"{path.name} can't be read as TOML: a number in it has too many digits") from None
    except OSError as error:
        raise StartupError(f"{path} can't be read: {error.strerror}") from None


def _all_of(table: Mapping[str, Any], error: ValidationError | None) -> Iterator[str]:
    """Also what pydantic looks at only where each setting is sound by itself: whether they go together."""
    while error is not None:
        yield from _sentences(error)
        faults = [tuple(fault["loc"]) for fault in error.errors(include_url=False)]
        if () in faults:  # the deployment as a whole, which comes last
            return
        table = {"deployment_id": _ANY_ID, **_without(table, faults)}
        error = _tried(table)


def _tried(table: Mapping[str, Any]) -> ValidationError | None:
    try:
        DeploymentConfig.model_validate({**table, "name": "tried"})
    except ValidationError as error:
        return error
    return None


def _without(table: Mapping[str, Any], faults: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """The table without the settings at these places, or the inputs where a whole one is wrong."""
    left = dict(table)
    for first, *rest in faults:
        inputs = left.get("inputs")
        if first != "inputs" or not rest or not isinstance(inputs, Mapping):
            left.pop(str(first), None)
            continue
        key, setting = rest[0], rest[1] if len(rest) > 1 else None
        others = {name: item for name, item in inputs.items() if name != key}
        item = inputs.get(key)
        if isinstance(item, Mapping) and setting in item:
            others[str(key)] = {name: value for name, value in item.items() if name != setting}
        left["inputs"] = others
    return left


def _sentences(error: ValidationError) -> Iterator[str]:
    """Each mistake, told once: a union reports the same place for each of its types."""
    seen = set()
    for fault in error.errors(include_url=False):
        # Beneath a setting pydantic names the member of the union, which says nothing to a person.
        location = tuple(fault["loc"])
        where, setting = _place(location)
        if (where, setting) in seen and setting:
            continue
        seen.add((where, setting))
        if fault["type"] == "several":
            yield from (f"{where}: {text}" for text in fault.get("ctx", {})["mistakes"])
        else:
            yield f"{where}: {_message(str(setting), location, dict(fault))}"


def _place(location: tuple[int | str, ...]) -> tuple[str, str]:
    """The words that follow the deployment's name, and the setting."""
    if len(location) > 3 and location[2] == "choices" and isinstance(location[3], int):
        where = f", input '{location[1]}', choice {location[3] + 1}"
        return where, str(location[4]) if len(location) > 4 else ""
    if len(location) > 1 and location[0] == "inputs":
        return f", input '{location[1]}'", str(location[2]) if len(location) > 2 else ""
    return "", str(location[0]) if location else ""


def _message(setting: str, location: tuple[int | str, ...], fault: Mapping[str, Any]) -> str:
    kind = fault["type"]
    if kind == "extra_forbidden":
        names = _settings(location)
        near = difflib.get_close_matches(str(location[-1]), names, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"it can be {', '.join(names)}"
        return f"unknown setting '{location[-1]}'; {hint}"
    if kind == "value_error":
        text = str(fault["ctx"]["error"])
    elif kind == "model_type" and "choices" in location:
        text = "must be text, a number, or {name = …, value = …}"
    elif kind == "enum":
        text = f"must be one of {fault['ctx']['expected'].replace(' or ', ', ')}"
    else:
        text = _KIND_MESSAGES.get(kind) or fault["msg"].replace("Input should be", "must be")
    if location == ("name",):  # the table's own
        return f"its name {text}"
    return f"'{setting}' {text}" if setting else text


def _settings(location: tuple[int | str, ...]) -> list[str]:
    model = DeploymentConfig if len(location) == 1 else InputConfig if len(location) == 3 else ChoiceConfig
    return [name for name in model.model_fields if (model, name) != (DeploymentConfig, "name")]


def _collisions(configs: Iterable[DeploymentConfig]) -> Iterator[str]:
    """One deployment described twice."""
    by_id: dict[str, str] = {}
    for config in configs:
        other = by_id.setdefault(config.deployment_id, config.name)
        if other != config.name:
            yield f"deployments '{other}' and '{config.name}' have the same deployment_id"
