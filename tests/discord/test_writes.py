"""How many transactions write for one request."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from bot.domain.messages.records import Claim
from bot.domain.runs import RunReport, RunState
from tests.harness import Harness

# How often depends on how long a run takes.
_PROGRESS = re.compile(r"save_progress|record_report (running|uploading)| answer$")


async def test_a_request_takes_eleven_writing_transactions_beside_its_progress(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a step that must survive a crash."""
    await bot.play()  # what every start does
    written = Counter[str]()
    write = bot.app.app.store.database.write

    async def counted(work: Any, *args: Any, **kwargs: Any) -> Any:
        done = await write(work, *args, **kwargs)
        claim = next((each for each in (done, *args) if isinstance(each, Claim)), None)
        report = next((each for each in args if isinstance(each, RunReport)), None)
        if report is not None and report.state is RunState.QUEUED and done is None:
            return done  # a webhook told the same at the same time
        about = claim.message.kind if claim is not None else report.state if report is not None else ""
        written[f"{getattr(work, 'func', work).__name__} {about}".strip()] += 1
        return done

    monkeypatch.setattr(bot.app.app.store.database, "write", counted)
    await bot.ask()
    await bot.later(seconds=10)
    assert {name: count for name, count in written.items() if not _PROGRESS.search(name)} == (
        {
            "_accept": 1,
            "answered": 1,  # the status message's id
            "_try_next": 1,  # claims the run
            "record_report queued": 1,  # the run's id
            "record_report succeeded": 2,  # its end, and what ComfyDeploy bills
            "claim outcome": 1,
            "begin outcome": 1,  # the attempt
            "posted outcome": 1,  # the message's id
            "finish outcome": 1,  # after the status message is deleted
            "claim_checks": 1,  # before ComfyDeploy is asked what it bills
        }
    )
