"""Read `deployments.toml` and report all mistakes together, as sentences."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

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

Classify = Callable[[str], InputClass]

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
# A substitute for a missing or invalid id while the rest is validated.
_ANY_ID = "00000000-0000-4000-8000-000000000000"


def single_deployment(deployment_id: str) -> DeploymentConfig:
    """Return the configuration of a single deployment that only the backend describes.

    Raises ValidationError if the id is not a UUID.
    """
    return DeploymentConfig(name="default", deployment_id=deployment_id)


def load_deployments_file(path: Path, classify: Classify) -> tuple[DeploymentConfig, ...]:
    """Return the deployments in file order. Raises StartupError with every mistake.

    `classify` returns the backend's input class for the name in `class_type`.
    """
    tables = _tables(path)
    configs: list[DeploymentConfig] = []
    mistakes: list[str] = []
    for key, table in tables.items():
        try:
            configs.append(_validated(table, key, classify))
        except ValidationError as error:
            errors = _all_mistakes(table, error, classify)
            mistakes += (f"{path.name}: deployment '{key}'{text}" for text in errors)
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
        f"{path.name}: deployment '{key}': unknown setting 'name'; the table's name is the deployment's, and "
        "'title' is what messages call it"
        for key, table in tables.items()
        if isinstance(table, dict) and "name" in table
    )
    if mistakes:
        raise StartupError(*mistakes)
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


def _validated(table: Mapping[str, Any], name: str, classify: Classify) -> DeploymentConfig:
    return DeploymentConfig.model_validate({**table, "name": name}, context={CLASSIFY: classify})


def _all_mistakes(
    table: Mapping[str, Any], error: ValidationError | None, classify: Classify
) -> Iterator[str]:
    """Yield all mistakes in a deployment's table.

    pydantic runs model validators only if every field is valid, so invalid settings are removed and the rest
    is validated again.
    """
    while error is not None:
        yield from _error_sentences(error)
        locations = [tuple(details["loc"]) for details in error.errors(include_url=False)]
        if () in locations:  # the model validator of the whole deployment, which runs last
            return
        table = {"deployment_id": _ANY_ID, **_without(table, locations)}
        error = _validation_error(table, classify)


def _validation_error(table: Mapping[str, Any], classify: Classify) -> ValidationError | None:
    try:
        _validated(table, "tried", classify)
    except ValidationError as error:
        return error
    return None


def _without(table: Mapping[str, Any], locations: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return the table without the settings, or whole inputs, at these locations."""
    remaining = dict(table)
    for first, *rest in locations:
        sizes = remaining.get("sizes")
        if first == "sizes" and rest and isinstance(sizes, Mapping):
            # A default can't be validated without its choices.
            removed = (rest[0], "default" if rest[0] == "choices" else "")
            remaining["sizes"] = {name: value for name, value in sizes.items() if name not in removed}
            continue
        inputs = remaining.get("inputs")
        if first != "inputs" or not rest or not isinstance(inputs, Mapping):
            remaining.pop(str(first), None)
            continue
        key, setting = rest[0], rest[1] if len(rest) > 1 else None
        inputs_left = {name: item for name, item in inputs.items() if name != key}
        item = inputs.get(key)
        if isinstance(item, Mapping) and setting in item:
            inputs_left[str(key)] = {name: value for name, value in item.items() if name != setting}
        remaining["inputs"] = inputs_left
    return remaining


def _error_sentences(error: ValidationError) -> Iterator[str]:
    """Yield a sentence for each mistake.

    pydantic reports a setting of a union type once for each type. Only the first report is used.
    """
    seen = set()
    for details in error.errors(include_url=False):
        # Inside a setting pydantic names the member of the union, which means nothing to the operator.
        location = tuple(details["loc"])
        where, setting = _location(location)
        if (where, setting) in seen and setting:
            continue
        seen.add((where, setting))
        if details["type"] == "several":
            where = ", sizes" if location == ("sizes",) else where
            yield from (f"{where}: {text}" for text in details.get("ctx", {})["mistakes"])
        else:
            yield f"{where}: {_message(str(setting), location, dict(details))}"


def _location(location: tuple[int | str, ...]) -> tuple[str, str]:
    """Return the words to append to the deployment's name, and the setting."""
    if len(location) > 3 and location[2] == "choices" and isinstance(location[3], int):
        where = f", input '{location[1]}', choice {location[3] + 1}"
        return where, str(location[4]) if len(location) > 4 else ""
    if len(location) > 1 and location[0] == "then":
        where = f", follow-up {int(location[1]) + 1}"
        if len(location) > 3 and location[2] == "inputs":
            return f"{where}, input '{location[3]}'", ""
        return where, str(location[2]) if len(location) > 2 else ""
    if len(location) > 1 and location[0] == "inputs":
        return f", input '{location[1]}'", str(location[2]) if len(location) > 2 else ""
    if len(location) > 2 and location[0] == "sizes":
        return f", size '{location[2]}'", ""
    if len(location) > 1 and location[0] == "sizes":
        return ", sizes", str(location[1])
    return "", str(location[0]) if location else ""


def _message(setting: str, location: tuple[int | str, ...], details: Mapping[str, Any]) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        names = _settings(location)
        matches = difflib.get_close_matches(str(location[-1]), names, n=1)
        hint = f"did you mean '{matches[0]}'?" if matches else f"it can be {', '.join(names)}"
        return f"unknown setting '{location[-1]}'; {hint}"
    if kind == "value_error":
        text = str(details["ctx"]["error"])
    elif location == ("then",) and kind == "tuple_type":
        text = "must be tables [[deployments.NAME.then]]"
    elif kind == "model_type" and "choices" in location:
        text = "must be text, a number, or {name = …, value = …}"
    elif kind == "enum":
        text = f"must be one of {details['ctx']['expected'].replace(' or ', ', ')}"
    else:
        text = _KIND_MESSAGES.get(kind) or details["msg"].replace("Input should be", "must be")
    if location == ("name",):  # the name of the table
        return f"its name {text}"
    return f"'{setting}' {text}" if setting else text


def _settings(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel]
    if location[0] == "sizes" and len(location) > 1:
        model = SizesConfig
    elif location[0] == "then" and len(location) > 1:
        model = FollowUpConfig
    else:
        model = (
            DeploymentConfig if len(location) == 1 else InputConfig if len(location) == 3 else ChoiceConfig
        )
    return [name for name in model.model_fields if (model, name) != (DeploymentConfig, "name")]


def _collisions(configs: Iterable[DeploymentConfig]) -> Iterator[str]:
    """Yield a mistake for each deployment that is described twice."""
    by_id: dict[str, str] = {}
    for config in configs:
        other = by_id.setdefault(config.deployment_id, config.name)
        if other != config.name:
            yield f"deployments '{other}' and '{config.name}' have the same deployment_id"
