"""What the checker of the random faults says about a request's messages: it reads ephemeral answers, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.runs import RunState
from tests.chaos.database import opened
from tests.chaos.environment import Environment, environment
from tests.chaos.happenings import Round
from tests.chaos.invariants import InvariantChecker, Verdict
from tests.fakediscord.interactions import Interactions, Type
from tests.fakediscord.world import EPHEMERAL
from tests.questions import Request, Run, insert_runs

KEY = "a" * 16


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Environment]:
    async with opened("sqlite", tmp_path) as database, environment(tmp_path, database, seed=1) as world:
        yield world


async def _verdict(
    world: Environment,
    *buttons: str,
    asked_ago: float = 0.0,
    flags: int = EPHEMERAL,
    answer_id: int | None = None,
    closed: bool = False,
) -> Verdict:
    """Let a run fail, and judge it by one answer to a command with each button."""
    alice, discord = world.people[0], world.discord
    this = Round(1, discord.add_text(world.guild, "round-1"), "nothing")
    for button in buttons:
        asked = discord.interactions.open(Type.COMMAND, alice, this.channel, {})
        asked.created_at -= asked_ago
        row = {"type": 1, "components": [{"type": 2, "style": 2, "label": "x", "custom_id": button}]}
        body, limit = {"components": [row]}, asked.size_limit
        discord.messages_service.create(
            this.channel, discord.bot, body, {}, limit=limit, extra_flags=flags, interaction=asked
        )
    if closed:
        discord.withdraw(this.channel, "view_channel")
    request = Request(
        key=KEY,
        created_at=datetime.now(UTC),
        requester_id=alice.id,
        guild_id=world.guild.id,
        channel_id=this.channel.id,
        deployment="default",
        deployment_id="1",
        answer_id=answer_id,
    )
    await insert_runs(world.database, Run(request=request, key=KEY, state=RunState.FAILED))
    return await InvariantChecker(world).judge([this])


async def test_an_outcome_in_an_ephemeral_answer_is_seen(world: Environment) -> None:
    assert not (await _verdict(world, f"run:{KEY}:details")).all


async def test_without_an_outcome_the_request_is_lost(world: Environment) -> None:
    assert KEY in (await _verdict(world)).lost


async def test_an_ephemeral_status_message_beside_the_outcome_is_reported(world: Environment) -> None:
    verdict = await _verdict(world, f"run:{KEY}:details", f"run:{KEY}:cancel")
    assert KEY in verdict.twice


async def test_an_ephemeral_status_message_may_stay_once_its_token_has_expired(world: Environment) -> None:
    lifetime = Interactions.token_lifetime
    verdict = await _verdict(world, f"run:{KEY}:details", f"run:{KEY}:cancel", asked_ago=lifetime)
    assert not verdict.all


@pytest.mark.parametrize(("answer_id", "is_known"), [(None, False), (17, True)])
async def test_a_public_status_message_may_stay_only_if_its_id_was_lost_and_its_token_has_expired(
    world: Environment, answer_id: int | None, is_known: bool
) -> None:
    buttons = f"run:{KEY}:details", f"run:{KEY}:cancel"
    lifetime = Interactions.token_lifetime
    verdict = await _verdict(world, *buttons, asked_ago=lifetime, flags=0, answer_id=answer_id)
    assert (KEY in verdict.twice) == is_known


async def test_a_public_status_message_is_reported_while_its_token_is_valid(world: Environment) -> None:
    verdict = await _verdict(world, f"run:{KEY}:details", f"run:{KEY}:cancel", flags=0)
    assert KEY in verdict.twice


async def test_a_second_outcome_is_counted_apart_only_if_the_channel_has_closed(world: Environment) -> None:
    buttons = f"run:{KEY}:details", f"run:{KEY}:details"
    verdict = await _verdict(world, *buttons, flags=0, closed=True)
    assert not verdict.all
    assert KEY in verdict.unseeable


async def test_a_second_outcome_in_an_open_channel_is_reported(world: Environment) -> None:
    verdict = await _verdict(world, f"run:{KEY}:details", f"run:{KEY}:details", flags=0)
    assert KEY in verdict.twice
