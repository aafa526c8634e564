"""Other processes on the same database, each with many requests at the same moment.

`python -m tests.contract.store.competitors URL JUDGE MANY` is one of them; it begins when it is told to.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bot.errors import RefusedError, StoreUnavailable
from bot.store import Store
from bot.store.intake import Decide
from tests.contract.store import decisions
from tests.contract.store.runs import HOLD, NOW, PERSON, request

ROOT = Path(__file__).parents[3]


async def accepted_by_rivals(url: str, judge: Decide, *, processes: int, many: int) -> int:
    """How many of their requests were taken in."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.contract.store.competitors", url, judge.__name__, str(many))
    rivals = [
        await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
        for _ in range(processes)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert await rival.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(rival.communicate(b"go\n") for rival in rivals))
    return sum(int(out) for out, _ in answers)


async def _is_taken_in(store: Store, judge: Decide) -> bool:
    while True:
        try:
            await store.intake.accept(request(), PERSON, judge, NOW, HOLD)
        except RefusedError:
            return False
        except StoreUnavailable:
            continue
        return True


async def _compete(url: str, judge: Decide, many: int) -> int:
    store = Store(url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    taken_in = sum(await asyncio.gather(*(_is_taken_in(store, judge) for _ in range(many))))
    await store.close()
    return taken_in


if __name__ == "__main__":
    _, its_url, its_judge, its_many = sys.argv
    sys.stdout.write(str(asyncio.run(_compete(its_url, getattr(decisions, its_judge), int(its_many)))))
