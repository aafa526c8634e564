"""The small bot as a program of its own: the token comes in the environment, like the real one's."""

from __future__ import annotations

import os

from tests.unit.fakediscord.bot import PainterBot

if __name__ == "__main__":
    PainterBot().run(os.environ["DISCORD_TOKEN"], log_handler=None)
