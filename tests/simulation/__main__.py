"""Simulate the bot: `python -m tests.simulation --seed 1 --rounds 1000`."""

from __future__ import annotations

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":
    # Otherwise sets of strings would iterate in a different order in each process.
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606  # itself

# This import must come first: it replaces the clocks that every other module imports.
import tests.simulation.engine.patches  # noqa: F401

# isort: split
from tests.simulation.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
