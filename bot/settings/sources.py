"""Where settings come from: the environment and `.env`, as they were written."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from bot.domain.errors import StartupError


@dataclass(frozen=True, slots=True)
class Sources:
    """Variables by their names in capitals; empty ones count as unset. `mistakes` are whole sentences."""

    file: dict[str, str]
    environment: dict[str, str]
    mistakes: tuple[str, ...] = ()

    @property
    def all(self) -> dict[str, str]:
        """The environment goes first."""
        return {**self.file, **self.environment}


def read(env_file: str | Path | None) -> Sources:
    """Raises StartupError where the file can't be read at all; one that is not there is empty."""
    # What can't be understood is told here, with the file's name and once.
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)
    environment = {name.upper(): value for name, value in os.environ.items() if value}
    if env_file is None or not Path(env_file).exists():
        return Sources({}, environment)
    try:
        with Path(env_file).open(encoding="utf-8") as stream:
            wrong = [binding.original.line for binding in parse_stream(stream) if binding.error]
        pairs = dotenv_values(env_file, encoding="utf-8")
    except IsADirectoryError:
        raise StartupError(f"{env_file} is a folder. Put the file with the settings in its place.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(
            f"{env_file} can't be read: {type(error).__name__}. Save it as UTF-8 text."
        ) from None
    found = {name.upper(): value for name, value in pairs.items() if value}
    return Sources(
        found, environment, tuple(f"{env_file}, line {line}, is not NAME=value." for line in wrong)
    )
