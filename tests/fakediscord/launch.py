"""Run a module against a fake Discord: `python -m tests.fakediscord.launch URL MODULE [ARG…]`."""

from __future__ import annotations

import runpy
import sys

from tests.fakediscord.patch import point_discord_at


def command(url: str, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module; its working directory must be the project."""
    return [sys.executable, "-m", "tests.fakediscord.launch", url, module, *arguments]


def main() -> None:
    url, module = sys.argv[1:3]
    point_discord_at(url)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
