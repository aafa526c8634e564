"""SIGKILL during requests that fail, end early or late, or need several messages or a direct one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.fake_comfydeploy.deployments import FAILS_ID, NO_CREDITS_ID, PICTURE_ID, VARIATIONS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.deployments import described
from tests.e2e.bot_process import BotProcess
from tests.e2e.kill_points import COMFY, DISCORD, MESSAGES, MESSENGER, RUNS, dies_and_returns
from tests.harness import HELD
from tests.sampling import every_nth

# Backoff, grace times and deadlines pass quickly; the bot's clock runs ahead of Discord's by seconds.
pytestmark = [pytest.mark.usefixtures("cold"), pytest.mark.bot(speed=5.0)]
ENDING = (
    f"{MESSENGER}.handle:before:1",
    f"{MESSAGES}.begin:before:1",
    f"{MESSAGES}.begin:after:1",
    f"{MESSENGER}.handle:after:1",
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
    await home.cancel(asking)


async def asked_and_given_up(home: BotProcess) -> None:
    """Let the run end once the bot's verdict is posted, or the bot is dead."""
    await home.ask()
    await home.held()
    (key,) = await home.keys()
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
    await home.set_rules(private_results=True)
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


def deployment(id: str) -> dict[str, str]:
    return {"COMFYDEPLOY_DEPLOYMENT_ID": id}


LIVES = {
    "failed": Life(asked, ENDING, settings=deployment(FAILS_ID)),
    "refused": Life(
        asked,
        (f"{RUNS}.finish:before:1", f"{RUNS}.finish:after:1", *ENDING),
        settings=deployment(NO_CREDITS_ID),
    ),
    "cancelled": Life(
        asked_and_cancelled,
        (
            f"{RUNS}.request_cancel:after:1",
            f"{COMFY}.cancel_run:before:1",
            f"{COMFY}.cancel_run:after:1",
            f"{MESSAGES}.begin:before:1",
            f"{MESSAGES}.begin:after:1",
        ),
        faults=HELD,
    ),
    "late": Life(
        asked_and_given_up,
        (*ENDING, f"{MESSENGER}.handle:before:2", f"{MESSAGES}.begin:after:2", f"{MESSENGER}.handle:after:2"),
        faults=Faults(hold_at="running", cancel_supported=False),
        settings={"RUN_DEADLINE_SECONDS": "1"},
    ),
    "in parts": Life(
        asked_for_a_dozen,
        (
            f"{DISCORD}.post:after:1",
            f"{MESSAGES}.begin:before:2",
            f"{MESSAGES}.begin:after:2",
            f"{DISCORD}.post:after:2",
        ),
        settings=deployment(VARIATIONS_ID),
    ),
    "in private": Life(
        asked_and_shut_out,
        (
            f"{DISCORD}.direct_channel:after:1",
            f"{MESSAGES}.begin:after:3",
            f"{DISCORD}.post:after:2",
            f"{DISCORD}.post:after:3",
            f"{MESSENGER}.handle:after:1",
        ),
        faults=HELD,
    ),
}
PRIVATE_LIVES = {
    "answered": Life(
        asked_in_private,
        (
            f"{DISCORD}.edit_original:after:1",
            f"{MESSAGES}.answered:before:1",
            f"{MESSAGES}.answered:after:1",
            *ENDING,
        ),
    ),
    "too late": Life(
        asked_in_private_for_too_long,
        (
            f"{DISCORD}.direct_channel:after:1",
            f"{DISCORD}.post:after:1",
            *ENDING,
        ),
        faults=HELD,
    ),
    "withheld": Life(
        asked_in_private_and_withheld,
        (f"{MESSENGER}.handle:after:1",),
        faults=HELD,
        settings={"COMFYDEPLOY_DEPLOYMENT_ID": "", "DEPLOYMENTS_FILE": "own.toml"},
    ),
}
DEATHS = [(name, point) for name, life in LIVES.items() for point in life.points]
PRIVATE_DEATHS = [(name, point) for name, life in PRIVATE_LIVES.items() for point in life.points]


async def live_through(home: BotProcess, life: Life, point: str) -> None:
    home.comfydeploy.faults = life.faults
    home.more |= life.settings
    await dies_and_returns(home, point, lambda: life.act(home))
    assert len(await home.keys()) == 1


@pytest.mark.parametrize(("name", "point"), every_nth(DEATHS, 5))
async def test_a_kill_leaves_exactly_one_outcome(home: BotProcess, name: str, point: str) -> None:
    await live_through(home, LIVES[name], point)
    await home.check_outcomes(home.discord.dm(home.alice), leftovers=name == "in private")


@pytest.mark.parametrize(("name", "point"), every_nth(PRIVATE_DEATHS, len(PRIVATE_DEATHS)))
async def test_a_kill_never_makes_a_private_result_public(
    home: BotProcess, name: str, point: str, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(f"{described(picture=PICTURE_ID)}age_restricted = true\n")
    home.channel.nsfw = True
    await live_through(home, PRIVATE_LIVES[name], point)
    assert home.discord.messages(home.channel) == [], home.log
    (key,) = await home.keys()
    seen = [*home.outcomes(key, viewer=home.alice), *home.outcomes(key, home.discord.dm(home.alice))]
    assert len(seen) == 1, home.log
    # A process that dies between the claim and its call leaves a run that nobody can confirm.
    assert len(home.comfydeploy.call_log.queue_calls) <= 1, home.log
    state = "undelivered" if name == "withheld" else "sent"
    assert [message.state for message in await home.messages()] == [state], home.log
