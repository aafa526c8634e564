"""Read the variables in `.env`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from bot.domain.errors import StartupError

ENV_FILE = Path(".env")


def read_env_file(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the file's variables, and sentences about its invalid lines; a missing file has none.

    `${NAME}` stands for an earlier line or a variable of the environment. Raises StartupError if the file
    can't be read.
    """
    if not ENV_FILE.exists():
        return {}, []
    try:
        with ENV_FILE.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except IsADirectoryError:
        raise StartupError(f"{ENV_FILE} is a folder. Put the file with the settings in its place.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(
            f"{ENV_FILE} can't be read: {type(error).__name__}. Save it as UTF-8 text."
        ) from None
    wrong = [binding.original.line for binding in bindings if binding.error]
    return _variables(bindings, environment), [f"{ENV_FILE}, line {n}, is not NAME=value." for n in wrong]


def _variables(bindings: Iterable[Binding], environment: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str | None] = {}
    for binding in bindings:
        if binding.key is not None and binding.value is not None:
            known = {**environment, **values}
            values[binding.key] = "".join(atom.resolve(known) for atom in parse_variables(binding.value))
    return stripped(values)


def stripped(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the values that aren't empty, without white space around them, by upper-case name."""
    return {name.upper(): value.strip() for name, value in values.items() if value and value.strip()}
