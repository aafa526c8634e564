"""Who may use what: GPUs and deployments by role, people by age and block, Discord's own overrides, words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from demo.standin.deployments import PICTURE_ID, VIDEO_ID
from tests.contract.store.stored import record
from tests.discord.court import mark_adult, ruled
from tests.discord.crowd import moderator, override
from tests.discord.places import ADULT
from tests.discord.seen import buttons_of, press, refusal
from tests.stage import Stage, stage

TWO = (
    f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
    f'[deployments.video]\ndeployment_id = "{VIDEO_ID}"\n'
)


async def ask(
    s: Stage, actor: Any = None, name: str = "generate", channel: Any = None, **options: Any
) -> Any:
    given = {"prompt": "a fox", **options}
    result = await (actor or s.alice).slash(channel or s.channel, name, **given)
    await s.play()
    return result


async def result_of(s: Stage, **options: Any) -> discord.Message:
    await ask(s, **options)
    s.clock.move(seconds=1)
    return s.messages()[-1]


async def test_a_gpu_for_some_roles_is_refused_to_others_also_by_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        patrons = s.guild.create_role("patrons")
        pat = s.guild.add_member(s.env.create_user("pat"), roles=[patrons])
        message = await result_of(s, gpu="H100")
        await ruled(s, gpu_roles={"H100": [patrons.id], "L4": [patrons.id]})
        told = (
            "Your roles don't include H100. None of the restricted GPUs is open to them. "
            "Please choose another, or ask a moderator which role you need."
        )
        assert refusal(s, await ask(s, gpu="H100")) == told
        assert refusal(s, await s.alice.click(message, label="Again")) == told
        assert not (await ask(s, gpu="A10G")).ephemeral
        assert not (await ask(s, pat, gpu="H100")).ephemeral
        assert len(s.calls) == 3


async def test_a_deployment_for_some_roles_names_those_that_one_may_use(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=TWO) as s:
        staff, artists = s.guild.create_role("staff"), s.guild.create_role("artists")
        art = s.guild.add_member(s.env.create_user("art"), roles=[artists])
        await ruled(s, deployment_roles={"video": [staff.id], "picture": [artists.id]})
        refused = await ask(s, art, "generate video")
        assert refusal(s, refused).endswith("Of the restricted ones you may use: picture.")
        assert not (await ask(s, art, "generate picture")).ephemeral
        s.env.backend.remove_member_role(s.guild.id, art.id, artists.id)
        assert refusal(s, await ask(s, art, "generate picture")).endswith(
            "None of the restricted ones is open to them. Please ask a moderator which role you need."
        )


async def test_a_role_that_was_deleted_opens_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        role = s.guild.create_role("gone")
        await ruled(s, gpu_roles={"H100": [role.id]})
        s.env.backend.delete_role(s.guild.id, role.id)
        assert refusal(s, await ask(s, gpu="H100")).startswith("Your roles don't include H100.")


async def test_a_block_ends_when_it_was_to_end(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        message = await result_of(s)
        await mona.slash(s.channel, "block", user=s.alice, reason="spam *x*", duration="day")
        for refused in (await ask(s), await s.alice.click(message, label="Again")):
            assert refusal(s, refused).endswith(": spam \\*x\\*")
        await s.restart()
        assert refusal(s, await ask(s)).endswith(": spam \\*x\\*")
        s.clock.move(days=1, seconds=1)
        assert not (await ask(s)).ephemeral
        await mona.slash(s.channel, "block", user=s.alice, reason="again")
        s.clock.move(days=400)
        assert refusal(s, await ask(s)).endswith("on this server: again")
        await mona.slash(s.channel, "unblock", user=s.alice)
        assert not (await ask(s)).ephemeral


async def test_young_accounts_and_members_wait(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, people={"account_days": 30})
        assert "accounts older than 30 days" in refusal(s, await ask(s))
        assert not (await ask(s, moderator(s))).ephemeral
        await ruled(s, people={"member_days": 7})
        assert "7 days of membership" in refusal(s, await ask(s))
        s.clock.move(days=8)
        assert not (await ask(s)).ephemeral


# Discord's own permissions for the command


async def test_again_asks_for_the_commands_own_permissions(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await result_of(s)
        override(s, {s.alice.user: False})
        refused = await s.alice.click(message, label="Again")
        assert refusal(s, refused) == "This server's settings don't let you use this here."
        assert len(s.calls) == 1


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_channels_override_holds_for_again(tmp_path: Path, allowed: bool) -> None:
    async with stage(tmp_path) as s:
        message = await result_of(s)
        override(s, {s.channel: allowed})
        again = await s.alice.click(message, label="Again")
        assert again.ephemeral is not allowed


async def test_an_administrator_stands_above_overrides(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        role = s.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
        adam = s.guild.add_member(s.env.create_user("adam"), roles=[role])
        await ask(s, adam)
        s.clock.move(seconds=1)
        override(s, {s.guild.default_role: False})
        assert not (await adam.click(s.messages()[0], label="Again")).ephemeral


# words


async def test_a_refused_word_is_told_without_it_and_noted_with_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await result_of(s)
        await ruled(s, words={"blocked": ["fox"]})
        for refused in (await ask(s, prompt="a F0\u200bx"), await s.alice.click(message, label="Again")):
            told = refusal(s, refused)
            assert told.startswith("`prompt` has something in it that this server doesn't allow.")
            assert "fox" not in told.lower()
        negative = refusal(s, await ask(s, prompt="a hare", negative="fox"))
        assert negative.startswith("`negative`")
        assert len(s.calls) == 1
        lines = [line for line in await record(s.app.store) if line.outcome == "words_refused"]
        assert [line.details["word"] for line in lines] == ["fox"] * 3
        name = (await s.run()).deployment
        assert {(line.actor_id, line.deployment) for line in lines} == {(s.alice.id, name)}


async def automod(s: Stage, keyword: str) -> None:
    guild = s.app.bot.get_guild(s.guild.id)
    assert guild is not None
    await guild.create_automod_rule(
        name="No foxes",
        event_type=discord.AutoModRuleEventType.message_send,
        trigger=discord.AutoModTrigger(keyword_filter=[keyword]),
        actions=[discord.AutoModRuleAction()],
        enabled=True,
    )
    await s.env.settle()


async def test_automod_holds_where_the_bot_may_read_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await automod(s, "fox*")
        refused = await ask(s, prompt="many foxes")
        assert refusal(s, refused).startswith("`prompt` has something in it")
        assert not (await ask(s, prompt="a hare")).ephemeral
        line = next(line for line in await record(s.app.store) if line.outcome == "words_refused")
        assert line.details == {"rule": "No foxes", "word": "fox*", "option": "prompt"}


@pytest.mark.parametrize(("asked_for", "passes"), [(None, True), (True, False), (False, True)])
async def test_without_the_right_to_read_automod_it_holds_only_where_it_was_asked_for(
    tmp_path: Path, asked_for: bool | None, passes: bool
) -> None:
    async with stage(tmp_path) as s:
        await automod(s, "fox")
        await ruled(s, words={"automod": asked_for})
        s.env.inject_error("GET", "/guilds/*/auto-moderation/rules", status=403, code=50013, times=None)
        s.app.bot.words.cache.invalidate(s.guild.id)
        answer = await ask(s)
        assert answer.ephemeral is not passes
        if not passes:
            assert refusal(s, answer).startswith("I can't read this server's AutoMod rules.")


async def test_rules_that_can_not_be_read_refuse_and_let_nothing_pass(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.env.inject_error("GET", "/guilds/*/auto-moderation/rules", status=500, times=None)
        told = refusal(s, await ask(s))
        assert told.startswith("I can't read this server's word rules right now")
        assert s.calls == []
        (line,) = await record(s.app.store)
        assert (line.action, line.outcome) == ("refusal", "words_unavailable")
        assert (line.actor_id, line.guild_id) == (s.alice.id, s.guild.id)


# age


async def test_an_age_restricted_deployment_runs_only_where_discord_marks_the_channel(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, deployments=ADULT) as s:
        adult = s.guild.create_text_channel("adult")
        await s.env.settle()
        mark_adult(s, adult)
        told = "This deployment runs only in channels that are marked as age-restricted."
        assert refusal(s, await ask(s)) == told
        assert not (await ask(s, channel=adult)).ephemeral
        (message,) = s.messages(adult)
        mark_adult(s, adult, marked=False)
        s.channel = adult
        refused = await press(s, s.alice, message, buttons_of(s, message)["Again"])
        assert refusal(s, refused) == told
        assert len(s.calls) == 1
        lines = [line for line in await record(s.app.store) if line.action == "refusal"]
        assert [(line.actor_id, line.deployment, line.outcome) for line in lines] == [
            (s.alice.id, "picture", "age_restricted")
        ] * 2


async def test_rules_survive_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, words={"blocked": ["fox"]})
        await s.restart()
        assert refusal(s, await ask(s)).startswith("`prompt` has something in it")
