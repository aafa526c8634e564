"""Threads never keep the process from exiting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HANGS = """
import runpy, sys, threading
from bot.effects import Effects
Effects().executor("hangs", 1).submit(threading.Event().wait)
sys.argv = ["bot", "export"]
runpy.run_module("bot", run_name="__main__")
"""


def test_a_function_that_hangs_does_not_keep_the_process_from_exiting(tmp_path: Path) -> None:
    """A statement on a network's database file may never return, and a stop must not wait for it."""
    own = {"DISCORD_TOKEN": "", "DATABASE_URL": f"sqlite:///{tmp_path}/none.db", "PYTHONPATH": "."}
    ended = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", HANGS], capture_output=True, timeout=60, check=False, env=own
    )
    assert ended.returncode == 2, ended.stderr
