"""`python -m tools.trace`: trace one /generate in the demo, from the command to the posted picture.

The output lists the files of `bot` and `cogs` in the order in which they are entered, and counts files and
functions. It covers all threads and idle workers, but not imports, startup and comprehensions.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from demo.once import PROMPT, SHAPE
from demo.world import open_world

ROOT = Path(__file__).parents[1]
PACKAGES = tuple(f"{ROOT / package}/" for package in ("bot", "cogs"))
_NO_FUNCTIONS = frozenset({"<module>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_PACE = 0.2
_LOOK = 0.05
_START = 2.0  # seconds in which every worker runs once, which belongs to the startup
_SECONDS = 60


class Trace:
    """The functions called while recording, by file, in the order of their first calls."""

    def __init__(self) -> None:
        self.files: dict[str, set[str]] = {}
        self.recording = False

    def profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Record a call; the signature is that of `sys.setprofile`."""
        code = frame.f_code
        is_ours = self.recording and event == "call" and code.co_filename.startswith(PACKAGES)
        if is_ours and code.co_name not in _NO_FUNCTIONS:
            self.files.setdefault(code.co_filename, set()).add(code.co_qualname)


async def run(trace: Trace) -> None:
    """Send the command, and record until the picture is posted."""
    async with asyncio.timeout(_SECONDS), open_world(_PACE) as world:
        await asyncio.sleep(_START)
        ada = world.people["ada"]
        async with world.turn:
            trace.recording = True
            await ada.slash(world.channel, "generate picture", prompt=PROMPT, size=SHAPE)
        while not any(message.attachments for message in world.channel.history(viewer=ada)):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)
        trace.recording = False


def main() -> None:
    trace = Trace()
    threading.setprofile(trace.profile)  # also threads that are started later
    sys.setprofile(trace.profile)
    asyncio.run(run(trace))
    sys.setprofile(None)
    for number, (file, functions) in enumerate(trace.files.items(), 1):
        print(f"{number:3} {Path(file).relative_to(ROOT).as_posix()} ({len(functions)})")
    print(f"files={len(trace.files)} functions={sum(map(len, trace.files.values()))}")


if __name__ == "__main__":
    main()
