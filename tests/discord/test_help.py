"""`/help` describes the deployments, the rules for the member, and the commands to click."""

from __future__ import annotations

from typing import Any

import pytest
from simcord import MemberActor

from bot import __version__
from demo.fake_comfydeploy.deployments import UPSCALE_ID, VIDEO_ID
from tests.discord.actors import member, moment, owner, read
from tests.discord.deployments import ADULT, ONE, TWO
from tests.discord.moderated_server import mark_adult, midnight, set_rules
from tests.discord.rendered import buttons_of, text_of
from tests.harness import Harness

EXAMPLE = f'{ONE}example = "a *red* fox"\n[deployments.upscale]\ndeployment_id = "{UPSCALE_ID}"\n'


async def page(bot: Harness, actor: Any, label: str, **options: Any) -> str:
    """Open a page of /help, and return its text."""
    shown = await actor.slash(options.pop("channel", bot.channel), "help", **options)
    await actor.click(shown.response, label=label)
    return text_of(bot, shown.response)


@pytest.mark.bot(deployments=EXAMPLE)
async def test_help_is_three_lines_and_a_prompt_for_each_deployment(bot: Harness) -> None:
    shown = await bot.alice.slash(bot.channel, "help")
    id = command_id(bot, "generate")
    first, *lines = text_of(bot, shown.response).splitlines()
    assert first.startswith("Type a command below")
    assert lines[1].startswith("**⋯ More** under a result has the rest")
    assert lines[2:] == [
        f"**Picture** </generate picture:{id}>",
        "> a \\*red\\* fox",
        f"**Upscale** </generate upscale:{id}>",
        "> A larger picture",
    ]
    assert list(buttons_of(bot, shown.response)) == ["Examples", "My limits", "Commands"]
    await bot.restart()
    await bot.alice.click(shown.response, label="Examples")
    assert "Press Edit and change one thing" in text_of(bot, shown.response)
    assert list(buttons_of(bot, shown.response)) == ["Start", "My limits", "Commands"]
    await bot.alice.click(shown.response, label="Start")
    assert text_of(bot, shown.response).splitlines() == [first, *lines]


def command_id(bot: Harness, name: str) -> str:
    return str(bot.env.backend.find_command(name, bot.guild.id, type=1)["id"])


@pytest.mark.bot(deployments=TWO)
@pytest.mark.parametrize("scope", ["everywhere", "this server"])
async def test_commands_can_be_clicked(bot: Harness, scope: str) -> None:
    await bot.restart(command_guild_ids=(bot.guild.id,) if scope == "this server" else ())
    text = await read(bot, bot.alice, "help") + await page(bot, bot.alice, "Commands")
    for path in ("generate picture", "runs", "queue", "preset save", "usage", "privacy delete"):
        assert f"</{path}:{command_id(bot, path.split()[0])}>" in text


async def test_the_owner_sees_the_version(bot: Harness) -> None:
    assert f"-# Version {__version__}" in await page(bot, owner(bot), "Commands")
    assert "Version" not in await page(bot, bot.alice, "Commands")


async def test_without_their_ids_commands_are_shown_as_they_are_typed(bot: Harness) -> None:
    commands = f"/applications/{bot.app.bot.application_id}/commands"
    bot.env.inject_error("GET", commands, status=403, code=50001, times=1)
    assert "`/generate`" in await read(bot, bot.alice, "help")
    assert f"</preset save:{command_id(bot, 'preset')}>" in await page(bot, bot.alice, "Commands")


@pytest.mark.bot(deployments=f"{ADULT}[deployments.video]\ndeployment_id = '{VIDEO_ID}'\n")
async def test_it_says_what_the_rules_mean_for_the_person(bot: Harness) -> None:
    role = bot.guild.create_role("artist")
    artist = member(bot, "carol", role)
    rules = {
        "approval": {"mode": "without_roles", "exempt_roles": [role.id], "review_channel_id": bot.channel.id},
        "budgets": {"person": {"runs_a_day": 2}, "roles": {role.id: {"runs_a_day": 5}}},
        "deployment_roles": {"video": [role.id]},
        "gpu_roles": {"A10G": [role.id]},
    }
    await set_rules(bot, **rules)
    mark_adult(bot, bot.channel)
    await bot.ask(artist, command="generate picture")
    alice, carol = await page(bot, bot.alice, "My limits"), await page(bot, artist, "My limits")
    assert "A moderator looks at each request of yours before it starts." in alice
    assert "Your requests start without a moderator's approval." in carol
    assert "You have 2 of 2 runs left today." in alice
    assert "You have 4 of 5 runs left today." in carol
    assert f"Limits reset {midnight(bot)}." in alice
    assert "Your roles can't use Video." in alice
    assert "Your roles can't use" not in carol
    assert "Picture: only in channels marked as age-restricted, like this one." in alice
    mark_adult(bot, bot.channel, marked=False)
    assert "which this one isn't" in await page(bot, bot.alice, "My limits")


async def test_a_blocked_person_and_a_pause_are_told(bot: Harness, mona: MemberActor) -> None:
    await mona.slash(bot.channel, "block", user=bot.alice, reason="*spam*", days=3)
    await owner(bot).slash(bot.channel, "pause", reason="new *machines*")
    text = await page(bot, bot.alice, "My limits")
    assert f"- Blocked on this server until {moment(bot, days=3)}: \\*spam\\*" in text
    assert "The bot is paused: new \\*machines\\*" in text
    assert "blocked" not in await page(bot, bot.bob, "My limits")


async def test_without_the_database_only_the_limits_are_missing(bot: Harness) -> None:
    async with bot.database_away():
        text = await page(bot, bot.alice, "My limits")
    assert text == "I can't read your limits right now. Please try again in a moment."


@pytest.mark.bot(allow_direct_messages=True)
async def test_direct_messages_have_no_servers_queue(bot: Harness) -> None:
    shown = await bot.alice.user.slash("help")
    await bot.alice.user.click(shown.response, label="Commands")
    text = text_of(bot, shown.response)
    assert "/queue" not in text
    assert "/privacy export" in text
