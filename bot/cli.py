"""The command line of `python -m bot` and `comfydeploy-bot`, and the one way to run the bot or a command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot import __version__
from bot.config.logs import setup_logging
from bot.config.settings import DATABASE_NAMES, NAMES, load_settings, read_settings
from bot.domain.errors import StartLater, StartupError, StoreUnavailable
from bot.effects import Effects
from bot.ops.backups import backup, export
from bot.ops.check import check
from bot.ops.healthcheck import healthcheck
from bot.ops.migrate import migrate
from bot.ops.restore import restore
from bot.ops.setup import setup
from bot.serve import serve

CONFIGURATION = 2
UNAVAILABLE = 1
_EPILOG = """\
Settings come from the environment and from .env; the project's docs/configuration.md explains each.
Exit codes: 0 success, 1 temporary failure, 2 configuration error."""
_ABOUT = {
    "setup": "ask for the three settings that the bot needs, check them, and write .env",
    "check": "test the whole setup; changes and spends nothing",
    "export": "write runs to standard output, one JSON object per line, newest first",
    "backup": "write all rows of the database to a file, while the bot runs",
    "restore": "replace the database by a backup; the bot must not run",
    "migrate": "bring the database up to date, as a start does; the bot must not run",
    "healthcheck": "exit with 0 if the bot on this machine responds, otherwise with 1",
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. `command` is None if the bot itself is to run.

    Exits after --help and --version, and on errors.
    """
    parser = argparse.ArgumentParser(
        prog="comfydeploy-bot",
        description="Runs the bot, or one of the commands below.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    added = {name: commands.add_parser(name, help=text, description=text) for name, text in _ABOUT.items()}
    added["check"].add_argument("--json", action="store_true", help="print the findings as one JSON object")
    added["backup"].add_argument("file", type=Path, nargs="?", metavar="FILE", help="default: in BACKUP_DIR")
    added["restore"].add_argument("file", type=Path, metavar="FILE")
    is_moved = "the bot hasn't run since this backup: its requests continue"
    added["restore"].add_argument("--moved", action="store_true", help=is_moved)
    destructive = "on PostgreSQL, also run migrations that delete data"
    added["migrate"].add_argument("--destructive", action="store_true", help=destructive)
    return parser.parse_args(arguments)


async def main(arguments: Sequence[str], environment: Mapping[str, str], effects: Effects) -> int:
    """Run the bot or a command, and return the exit code. Expected errors are printed as sentences.

    The code is 0 for success or a clean stop, 1 for a temporary failure, and 2 for a configuration error.
    Exits as `parse` does.
    """
    parsed = parse(arguments)
    if parsed.command == "healthcheck":
        return healthcheck(environment)
    try:
        if parsed.command == "check":
            settings, mistakes = read_settings(environment)
            setup_logging("CRITICAL", settings.log_format, secrets=settings.secret_values())
            return await check(settings, mistakes, effects, sys.stdout, as_json=parsed.json)
        if parsed.command == "setup":
            setup_logging("CRITICAL", "text")
            return await setup(environment, effects, sys.stdout)
        settings = load_settings(environment, NAMES if parsed.command is None else DATABASE_NAMES)
        # Commands print their results, so they log little.
        level = settings.log_level if parsed.command in (None, "migrate") else "CRITICAL"
        setup_logging(level, settings.log_format, secrets=settings.secret_values())
        for sentence in settings.warnings() if parsed.command is None else settings.hints:
            print(sentence, file=sys.stderr)
        if parsed.command == "export":
            return await export(settings, effects, sys.stdout)
        if parsed.command == "backup":
            return await backup(settings, effects, parsed.file, sys.stdout)
        if parsed.command == "restore":
            return await restore(settings, effects, parsed.file, sys.stdout, is_moved=parsed.moved)
        if parsed.command == "migrate":
            return await migrate(settings, effects, sys.stdout, destructive=parsed.destructive)
        await serve(settings, effects)
    except StartupError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        return UNAVAILABLE if isinstance(error, StartLater) else CONFIGURATION
    except StoreUnavailable as error:
        # Raised only during startup; later the workers wait for the database.
        print(f"The database doesn't answer ({error}). Try again when it does.", file=sys.stderr)
        return UNAVAILABLE
    return 0
