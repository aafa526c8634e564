"""`/block`, `/unblock` and `/blocked`: moderators use them, and others are refused."""

from __future__ import annotations

from simcord import MemberActor

from tests.discord.actors import block_by_id, blocked, moderator, moment, read, reviewer
from tests.discord.forged import call, own_answer, press, strings, user_option
from tests.discord.rendered import buttons_of, pinged, refusal, text_of
from tests.harness import Harness


async def test_a_block_stands_after_a_restart_and_is_lifted_again(bot: Harness, mona: MemberActor) -> None:
    done = await mona.slash(bot.channel, "block", user=bot.bob, reason="spam")
    assert done.ephemeral
    assert done.response.content == (f"<@{bot.bob.id}> can't generate here until somebody unblocks them.")
    await bot.restart()
    listed = await read(bot, mona, "blocked")
    assert f"<@{bot.bob.id}> blocked by <@{mona.id}>" in listed
    assert "until unblocked · “spam”" in listed
    lifted = await mona.slash(bot.channel, "unblock", user=bot.bob)
    assert lifted.response.content == f"<@{bot.bob.id}> can generate here again."
    assert await blocked(bot, mona) == []
    refused = await mona.slash(bot.channel, "unblock", user=bot.bob)
    assert refusal(bot, refused) == f"<@{bot.bob.id}> isn't blocked here. `/blocked` shows who is."
    assert pinged(bot) == []


async def test_a_block_ends_when_it_was_said_to(bot: Harness, mona: MemberActor) -> None:
    for options, ends in (({"duration": "hour"}, {"hours": 1}), ({"days": 3}, {"days": 3})):
        done = await mona.slash(bot.channel, "block", user=bot.bob, reason="spam", **options)
        assert moment(bot, **ends) in done.response.content
        assert moment(bot, **ends) in await read(bot, mona, "blocked")
    bot.clock.move(days=3)
    assert "Nobody." in await read(bot, mona, "blocked")


async def test_a_duration_given_twice_changes_nothing(bot: Harness, mona: MemberActor) -> None:
    refused = await mona.slash(bot.channel, "block", user=bot.bob, reason="x", duration="day", days=2)
    assert refusal(bot, refused) == "Please give either a duration or a number of days, not both."
    assert await blocked(bot, mona) == []


async def test_a_reason_of_spaces_blocks_nobody(bot: Harness, mona: MemberActor) -> None:
    refused = await mona.slash(bot.channel, "block", user=bot.bob, reason="  ")
    assert refusal(bot, refused) == "Please give a reason. The person reads it."
    assert await blocked(bot, mona) == []


async def test_a_duration_that_is_not_offered_blocks_nobody_for_ever(bot: Harness, mona: MemberActor) -> None:
    bob, resolved = user_option(bot.bob.id, "bob")
    given = [*bob, *strings(reason="x", duration="fortnight")]
    refused = await call(bot, mona, "block", given, resolved)
    assert refusal(bot, refused) == "This duration isn't offered. Please choose one from the list."
    assert await blocked(bot, mona) == []


async def test_moderators_oneself_and_bots_can_not_be_blocked(bot: Harness) -> None:
    mona, other, rita = moderator(bot), moderator(bot, "otto"), await reviewer(bot)
    robot = bot.guild.add_member(bot.env.create_user("robot", bot=True))
    is_moderator = (
        "<@{}> is a moderator here and can't be blocked. A server admin can take the role away first."
    )
    owner = MemberActor(bot.env, bot.guild, bot.guild.owner)
    expected = {
        owner: f"<@{owner.id}> owns this server and can't be blocked.",
        mona: "You can't block yourself.",
        other: is_moderator.format(other.id),
        rita: is_moderator.format(rita.id),
        robot: "Bots don't generate anything here, so there is no need to block one.",
    }
    for target, sentence in expected.items():
        refused = await mona.slash(bot.channel, "block", user=target, reason="x")
        assert refusal(bot, refused) == sentence
    assert await blocked(bot, mona) == []


async def test_the_reviewer_role_blocks_and_a_stranger_can_not(bot: Harness, mona: MemberActor) -> None:
    rita = await reviewer(bot)
    options, resolved = user_option(bot.alice.id, "alice")
    reason = strings(reason="spam")
    assert not {"block", "unblock", "blocked"} & set(bot.bob.available_commands(bot.channel))
    for name, given in (("block", [*options, *reason]), ("unblock", options), ("blocked", [])):
        refused = await call(bot, bot.bob, name, given, resolved)
        assert refusal(bot, refused) == "Only this server's moderators can do that."
    await call(bot, rita, "block", [*options, *reason], resolved)
    assert await blocked(bot, mona) == [bot.alice.id]


async def test_somebody_who_left_or_was_deleted_is_blocked_by_id(bot: Harness, mona: MemberActor) -> None:
    options, resolved = user_option(1 << 60, "deleted_user_1")
    await call(bot, mona, "block", [*options, *strings(reason="spam")], resolved)
    assert await blocked(bot, mona) == [1 << 60]
    await mona.slash(bot.channel, "block", user=bot.bob, reason="left")
    bot.guild.remove_member(bot.bob)
    listed = await read(bot, mona, "blocked")
    assert f"<@{1 << 60}>" in listed
    assert f"<@{bot.bob.id}>" in listed
    done = await call(bot, mona, "unblock", *user_option(bot.bob.id, "bob"))
    assert done.response.content == f"<@{bot.bob.id}> can generate here again."


async def test_a_long_list_turns_its_pages_for_moderators_only(bot: Harness, mona: MemberActor) -> None:
    await block_by_id(bot, mona, range(1, 24))
    message = (await mona.slash(bot.channel, "blocked")).response
    assert text_of(bot, message).count("blocked by") == 10
    await mona.click(message, label="Older")
    await bot.restart()
    await mona.click(message, label="Older")
    assert [f"<@{number}> " in text_of(bot, message) for number in (1, 3, 4)] == [True, True, False]
    newer = buttons_of(bot, message)["Newer"]
    refused = await press(bot, bot.bob, await own_answer(bot, bot.bob), newer)
    assert refusal(bot, refused) == "Only this server's moderators can do that."
    beyond = await press(bot, mona, message, "blocked:9999")
    assert "Nobody." in text_of(bot, message)
    assert beyond.acknowledged
