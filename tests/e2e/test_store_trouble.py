"""A locked or full database: requests are refused, webhooks get 503, and nothing is marked too early."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.databases import locked
from tests.e2e.bot_process import BotProcess
from tests.e2e.refusals import refused, webhook


async def works_again(home: BotProcess) -> None:
    """Let the first run continue, ask for another, and check that each ends once."""
    home.comfydeploy.faults = Faults()
    home.comfydeploy.release()
    await home.ask()
    await home.settled(runs=2)
    await home.check_outcomes(calls=2)


async def test_a_locked_database_refuses_in_words_and_works_again_after(home: BotProcess) -> None:
    await home.run_under_way()
    with locked(home.database_file):
        await refused(home)
        assert await webhook(home, "failed") == 503
        assert await home.states() == ["running"]
    await works_again(home)
    assert "Traceback" not in home.log


async def test_a_result_that_comes_while_the_database_is_locked_is_posted_after(home: BotProcess) -> None:
    await home.run_under_way()
    with locked(home.database_file):
        home.comfydeploy.release()
        await home.until(lambda: 503 in {w.answer for w in home.comfydeploy.call_log.webhook_attempts})
        assert not home.outcomes((await home.keys())[0])
    await home.settled()
    await home.check_outcomes()


@pytest.mark.bot(PUBLIC_URL="", SUBMIT_GRACE_SECONDS="60")
async def test_a_queue_reply_that_comes_while_the_database_is_locked_is_not_lost(home: BotProcess) -> None:
    """Without webhooks nobody else tells which run it is."""
    home.comfydeploy.faults = Faults(hold_at="reply")
    await home.start()
    await home.ask()
    await home.held()
    with locked(home.database_file):
        home.comfydeploy.release()
        await home.until(lambda: "a claimed run waits for the database" in home.log)
    await home.settled(runs=1)
    assert await home.states() == ["succeeded"], home.log
    await home.check_outcomes()


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """Keep the process from letting files grow, as on a full disk, until the block ends."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_refuses_in_words_and_works_again_after(home: BotProcess) -> None:
    await home.run_under_way()
    assert home.process is not None
    with full_disk(home.process.pid):
        await refused(home)
        assert await webhook(home, "failed") == 503
        assert await home.states() == ["running"]
    await works_again(home)
