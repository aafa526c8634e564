"""The bot works if its executors run each function at once, in the event loop's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from demo.fake_comfydeploy.faults import Faults
from tests.discord.rendered import one_result, text_of
from tests.harness import running_bot

NAMES = ("database", "files", "shrink", "word")


class Inline(Executor):
    """Runs a function when it is submitted."""

    def __init__(self, name: str, most: int) -> None:
        assert name
        assert most > 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


async def test_requests_results_and_logs_need_no_other_thread(tmp_path: Path) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    async with running_bot(tmp_path, executor=Inline) as bot:
        await bot.ask(prompt="a fox")
        assert "a fox" in text_of(bot, await one_result(bot))
        await bot.ask(prompt="a hare", faults=Faults(ends_as="failed"))
        await bot.ask(prompt="a wolf")
        assert len(await bot.runs()) == 3
        started = [thread.name for thread in threading.enumerate() if thread.ident not in before]
    assert [name for name in started if name.startswith(NAMES)] == []
