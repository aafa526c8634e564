"""The minimal bot as a program; its token comes in the environment."""

from __future__ import annotations

import os

from tests.unit.fakediscord.bot import PainterBot

if __name__ == "__main__":
    PainterBot().run(os.environ["DISCORD_TOKEN"], log_handler=None)
