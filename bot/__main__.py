"""The entry point of `python -m bot`. It reads the settings, sets up logging and runs the bot or a command.

Expected errors are printed as sentences and set the exit code.
"""

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
    """Run the bot or a command and return the exit code.

    The code is 0 for success or a clean stop, and 1 for a temporary failure, a failed check or a failed sync.
    It is 2 for a configuration error, and 130 for an interrupted command.
    """
    arguments = cli.parse(sys.argv[1:])
    try:
        settings = load_settings()
        setup_logging(
            _log_level(arguments.command, settings), settings.log_format, secrets=settings.secret_values()
        )
        if arguments.command is None:
            for warning in settings.warnings():
                print(warning, file=sys.stderr)
        return asyncio.run(cli.run(arguments, settings))
    except StartupError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        return UNAVAILABLE if isinstance(error, StartLater) else CONFIGURATION
    except StoreUnavailable as error:
        # Raised only during startup; later the workers wait for the database.
        print(f"The database doesn't answer ({error}). Start the bot again when it does.", file=sys.stderr)
        return UNAVAILABLE
    except BrokenPipeError:
        # The reader closed the pipe. Without this, Python's flush at exit would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        # The bot itself stops this way only on Windows, where that is a clean stop.
        return 0 if arguments.command is None else INTERRUPTED
    return 0


def _log_level(command: str | None, settings: Settings) -> str:
    """Return the configured log level for the bot, WARNING for `sync` and CRITICAL for the other commands.

    Commands print their results, so they log little.
    """
    if command is None:
        return settings.log_level
    return "WARNING" if command == "sync" else "CRITICAL"


if __name__ == "__main__":
    sys.exit(main())
