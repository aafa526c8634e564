"""`python -m bot`: read the settings, set up logging, run. A failure is a sentence and an exit code."""

from __future__ import annotations

import asyncio
import os
import sys

from bot import cli
from bot.config.logs import setup_logging
from bot.config.settings import Settings, load_settings
from bot.domain.errors import StartLater, StartupError, StoreUnavailable

CONFIGURATION = 2
UNAVAILABLE = 1
INTERRUPTED = 130


def main() -> int:
    """0 after an orderly stop, 2 when the bot can't start as it is configured, 1 when it may later, 130 for a
    command that was interrupted."""
    given = cli.parse(sys.argv[1:])
    try:
        settings = load_settings()
        setup_logging(
            _log_level(given.command, settings), settings.log_format, secrets=settings.secret_values()
        )
        if given.command is None:
            for warning in settings.warnings():
                print(warning, file=sys.stderr)  # noqa: T201  # before the first log line
        return asyncio.run(cli.run(given, settings))
    except StartupError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)  # noqa: T201
        return UNAVAILABLE if isinstance(error, StartLater) else CONFIGURATION
    except StoreUnavailable as error:
        # Only the start lets it through; the workers wait for the database's return.
        print(f"The database doesn't answer ({error}). Start the bot again when it does.", file=sys.stderr)  # noqa: T201
        return UNAVAILABLE
    except BrokenPipeError:
        # Whoever read the output has enough. Python would flush it once more at its end, and fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        # Only Windows ends the bot so; a command that was broken off has not done what it should.
        return 0 if given.command is None else INTERRUPTED
    return 0


def _log_level(command: str | None, settings: Settings) -> str:
    """What the operator's commands have to say they print themselves, all but why `sync` has no commands."""
    if command is None:
        return settings.log_level
    return "WARNING" if command == "sync" else "CRITICAL"


if __name__ == "__main__":
    sys.exit(main())
