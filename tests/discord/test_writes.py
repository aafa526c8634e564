"""How many transactions write for one request."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from bot.domain.messages.records import Claim, Kind
from bot.domain.runs import RunReport, RunState
from tests.harness import Harness

# How often depends on how long a run takes.
_PROGRESS = re.compile(r"save_progress|record_report (running|uploading)|turn$")


async def test_a_request_takes_nine_writing_transactions_beside_its_progress(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a step that must survive a crash."""
    await bot.play()  # what every start does
    written = Counter[str]()
    write = bot.app.app.store.database.write

    async def counted(work: Any, *args: Any, **kwargs: Any) -> Any:
        done = await write(work, *args, **kwargs)
        report = next((each for each in args if isinstance(each, RunReport)), None)
        if report is not None and report.state is RunState.QUEUED and done is None:
            return done  # a webhook told the same at the same time
        name = getattr(work, "func", work).__name__
        about = [f"{report.state}"] if report is not None else []
        if name == "turn":
            kinds = [("claims", claim.message.kind) for claim in done[0]]
            kinds += [("releases", each.claim.message.kind) for each in args[0]]
            about += [f"{does} {kind}" for does, kind in kinds if kind is not Kind.ANSWER]
        elif isinstance(claim := args[0] if args else None, Claim):
            about.append(f"{claim.message.kind}")
        written[" ".join([name, *about])] += 1
        return done

    monkeypatch.setattr(bot.app.app.store.database, "write", counted)
    await bot.ask()
    await bot.later(seconds=10)
    assert Kind.OUTCOME in " ".join(written)
    assert {name: count for name, count in written.items() if not _PROGRESS.match(name)} == (
        {
            "_accept": 1,
            "answered": 1,  # the status message's id
            "_try_next": 1,  # claims the run
            "record_report queued": 1,  # the run's id
            "record_report succeeded": 2,  # its end, and what ComfyDeploy bills
            "turn claims outcome": 1,
            "begin outcome": 1,  # the attempt
            "turn releases outcome": 1,  # the message's id, after the status message is deleted
        }
    )
