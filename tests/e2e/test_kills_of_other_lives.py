"""SIGKILL during requests that fail, end early or late, or need several messages or a direct one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import Store
from demo.fake_comfydeploy.deployments import FAILS_ID, NO_CREDITS_ID, PICTURE_ID, REJECTS_ID, VARIATIONS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import BotProcess, bot_process
from tests.e2e.kill_points import COMFY, OWED, POSTER, RUNS
from tests.sampling import every_nth

# Backoff, grace times and deadlines pass quickly; the bot's clock runs ahead of Discord's by seconds.
SPEED = 5.0
ENDING = (
    f"{OWED}.claim:got:1",
    f"{OWED}.mark_attempt:before:1",
    f"{OWED}.mark_attempt:after:1",
    f"{OWED}.mark_sent:before:1",
    f"{OWED}.mark_sent:after:1",
    f"{OWED}.complete:before:1",
)


@dataclass(frozen=True)
class Life:
    """A kind of request, and the steps at which its bot dies."""

    act: Callable[[BotProcess], Awaitable[None]]
    points: tuple[str, ...]
    faults: Faults = field(default_factory=Faults)
    settings: dict[str, str] = field(default_factory=dict)


async def asked(home: BotProcess) -> None:
    await home.ask()


async def asked_for_a_dozen(home: BotProcess) -> None:
    await home.ask(batch=12)


async def asked_and_cancelled(home: BotProcess) -> None:
    asking = await home.ask()
    await home.held()
    assert asking.original is not None
    await home.discord.click(home.alice, asking.original, "Cancel")


async def asked_and_given_up(home: BotProcess) -> None:
    """Let the run end once the bot's verdict is posted, or the bot is dead."""
    await home.ask()
    await home.held()
    ((key,),) = home.rows("SELECT key FROM runs")
    process = home.process
    assert process is not None
    await home.until(lambda: home.outcomes(key) or process.returncode is not None)
    home.comfydeploy.release()


async def asked_and_shut_out(home: BotProcess) -> None:
    """Let the interaction expire and close the channel to the bot before the result arrives."""
    await home.ask()
    await home.held()
    home.discord.withdraw(home.channel, "send_messages")
    home.discord.interactions.token_lifetime = 0
    home.comfydeploy.release()


async def asked_in_private(home: BotProcess) -> None:
    store = Store(home.database_url)
    try:
        rules = ServerRules(private_results=True)
        await store.rules.change(home.guild.id, 1, lambda _: rules, datetime.now(UTC), "private results")
    finally:
        await store.close()
    await home.ask(private=True)


async def asked_in_private_for_too_long(home: BotProcess) -> None:
    """Let the interaction expire before the private result arrives."""
    await asked_in_private(home)
    await home.held()
    home.discord.interactions.token_lifetime = 0
    home.comfydeploy.release()


async def asked_in_private_and_withheld(home: BotProcess) -> None:
    """Take the age mark off the channel before the private result arrives."""
    await asked_in_private(home)
    await home.held()
    home.channel.nsfw = False
    home.discord.grant(home.channel, "send_messages")  # tells the bot about the channel
    home.comfydeploy.release()


LIVES = {
    "failed": Life(asked, ENDING, settings={"COMFYDEPLOY_DEPLOYMENT_ID": FAILS_ID}),
    "rejected": Life(
        asked,
        (f"{RUNS}.add_failure_reason:before:1", f"{RUNS}.add_failure_reason:after:1"),
        settings={"COMFYDEPLOY_DEPLOYMENT_ID": REJECTS_ID},
    ),
    "refused": Life(
        asked,
        (f"{RUNS}.finish:before:1", f"{RUNS}.finish:after:1", *ENDING),
        settings={"COMFYDEPLOY_DEPLOYMENT_ID": NO_CREDITS_ID},
    ),
    "cancelled": Life(
        asked_and_cancelled,
        (
            f"{RUNS}.request_cancel:after:1",
            f"{COMFY}.cancel_run:before:1",
            f"{COMFY}.cancel_run:after:1",
            *ENDING,
        ),
        faults=Faults(hold_at="running"),
    ),
    "late": Life(
        asked_and_given_up,
        (*ENDING, *(f"{OWED}.{step}:2" for step in ("claim:got", "mark_attempt:after", "mark_sent:after"))),
        faults=Faults(hold_at="running", cancel_supported=False),
        settings={"RUN_DEADLINE_SECONDS": "1"},
    ),
    "in parts": Life(
        asked_for_a_dozen,
        (
            f"{POSTER}.post:after:1",
            f"{OWED}.mark_sent:after:1",
            f"{OWED}.mark_attempt:after:2",
            f"{POSTER}.post:after:2",
            f"{OWED}.mark_sent:after:2",
        ),
        settings={"COMFYDEPLOY_DEPLOYMENT_ID": VARIATIONS_ID},
    ),
    "in private": Life(
        asked_and_shut_out,
        (
            f"{OWED}.clear_attempt:after:1",
            f"{POSTER}.direct_channel:after:1",
            f"{OWED}.mark_attempt:after:3",
            f"{POSTER}.post:after:2",
            f"{OWED}.mark_sent:after:1",
            f"{OWED}.complete:before:1",
        ),
        faults=Faults(hold_at="running"),
    ),
}
PRIVATE_LIVES = {
    "answered": Life(
        asked_in_private,
        (
            f"{POSTER}.edit_original:after:1",
            f"{RUNS}.release:before:1",
            f"{RUNS}.release:after:1",
            *ENDING,
            f"{RUNS}.drop_interaction_token:after:1",
        ),
    ),
    "too late": Life(
        asked_in_private_for_too_long,
        (
            f"{POSTER}.direct_channel:after:1",
            f"{POSTER}.post:after:1",
            f"{OWED}.clear_attempt:after:1",
            *ENDING,
        ),
        faults=Faults(hold_at="running"),
    ),
    "withheld": Life(
        asked_in_private_and_withheld,
        (f"{OWED}.mark_sent:after:1", f"{OWED}.mark_undelivered:before:1"),
        faults=Faults(hold_at="running"),
        settings={"COMFYDEPLOY_DEPLOYMENT_ID": "", "DEPLOYMENTS_FILE": "own.toml"},
    ),
}
ADULT = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\nage_restricted = true\n'
# All but one of these kills are marked as slow.
PRIVATE_DEATHS = [
    pytest.param(name, point, marks=[pytest.mark.slow] if index or name != "answered" else [])
    for name, life in PRIVATE_LIVES.items()
    for index, point in enumerate(life.points)
]
DEATHS = [(name, point) for name, life in LIVES.items() for point in life.points]


@pytest.mark.parametrize(("name", "point"), every_nth(DEATHS, 2))
async def test_a_kill_leaves_exactly_one_outcome(name: str, point: str, tmp_path: Path, cold: bool) -> None:
    life = LIVES[name]
    async with bot_process(tmp_path, settings=life.settings, cold=cold) as home:
        home.comfydeploy.faults = life.faults
        home.speed = SPEED
        await home.start(die_at=point)
        await life.act(home)
        await home.died()
        await home.start()
        await home.settled()
        (key,) = home.rows("SELECT key FROM runs")[0]
        places = [home.channel, home.discord.dm(home.alice)]
        outcomes = [message for place in places for message in home.outcomes(key, place)]
        assert len(outcomes) == 1, home.log
        assert len(home.comfydeploy.call_log.queue_calls) <= 1, home.log
        assert name == "in private" or not home.leftovers(), home.log


@pytest.mark.parametrize(("name", "point"), PRIVATE_DEATHS)
async def test_a_kill_never_makes_a_private_result_public(
    name: str, point: str, tmp_path: Path, cold: bool
) -> None:
    life = PRIVATE_LIVES[name]
    (tmp_path / "own.toml").write_text(ADULT)
    async with bot_process(tmp_path, settings=life.settings, cold=cold) as home:
        home.channel.nsfw = True
        home.comfydeploy.faults = life.faults
        home.speed = SPEED
        await home.start(die_at=point)
        await life.act(home)
        await home.died()
        await home.start()
        await home.settled()
        (key,) = home.rows("SELECT key FROM runs")[0]
        assert home.discord.messages(home.channel) == [], home.log
        seen = [*home.outcomes(key, viewer=home.alice), *home.outcomes(key, home.discord.dm(home.alice))]
        assert len(seen) == 1, home.log
        assert len(home.comfydeploy.call_log.queue_calls) == 1, home.log
        state = "undelivered" if name == "withheld" else "sent"
        assert home.rows("SELECT state FROM deliveries") == [(state,)], home.log
