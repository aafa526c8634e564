"""The entry point of `python -m bot`: it hands over the arguments, the environment and the machine."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from typing import NoReturn

from bot.ops.healthcheck import healthcheck

INTERRUPTED = 130


def main() -> int:
    """Run the bot or a command and return the exit code, which is 130 for an interrupted command."""
    arguments = sys.argv[1:]
    if arguments == ["healthcheck"]:
        return healthcheck(os.environ)
    from bot import cli  # noqa: PLC0415  # takes a second
    from bot.effects import Effects  # noqa: PLC0415

    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415
    try:
        fast = None if sys.platform == "win32" else uvloop.new_event_loop
        with asyncio.Runner(loop_factory=fast) as runner:
            return runner.run(cli.main(arguments, os.environ, Effects()))
    except BrokenPipeError:
        # The reader closed the pipe. Without this, Python's flush at exit would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        # The bot itself stops this way only on Windows, where that is a clean stop.
        return 0 if cli.parse(arguments).command is None else INTERRUPTED


def run() -> NoReturn:
    """End the process with the exit code of `main`, without waiting for threads.

    One that hangs, such as in a statement on a database file of a network that is gone, would keep `sys.exit`
    from ending the process.
    """
    code = 1
    try:
        try:
            code = main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        logging.shutdown()
        os._exit(code)


if __name__ == "__main__":
    run()
