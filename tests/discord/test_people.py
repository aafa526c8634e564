"""`/block`, `/unblock`, `/blocked`, as a moderator uses them and others try to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.store.blocks import BlockStore
from tests.discord.crowd import call, moderator, reviewer
from tests.discord.seen import buttons_of, pinged, press, refusal, text_of
from tests.stage import Stage, stage


async def blocked_ids(s: Stage) -> list[int]:
    return [
        one.user_id for one in await BlockStore(s.app.store.database).list(s.guild.id, s.clock(), limit=99)
    ]


def user_option(s: Stage, person_id: int, name: str = "gone") -> tuple[list[dict[str, object]], object]:
    """An option that names somebody who is not on the server, as Discord resolves it."""
    user = {"id": str(person_id), "username": name, "discriminator": "0", "avatar": None, "global_name": None}
    return [{"name": "user", "type": 6, "value": str(person_id)}], {"users": {str(person_id): user}}


async def test_a_block_stands_after_a_restart_and_is_lifted_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        done = await mona.slash(s.channel, "block", user=s.bob, reason="spam")
        assert done.ephemeral
        assert done.response.content == (
            f"<@{s.bob.id}> can't generate here any more, until somebody unblocks them."
        )
        await s.restart()
        listed = text_of(s, (await mona.slash(s.channel, "blocked")).response)
        assert f"<@{s.bob.id}> blocked by <@{mona.id}>" in listed
        assert "until unblocked · “spam”" in listed
        lifted = await mona.slash(s.channel, "unblock", user=s.bob)
        assert lifted.response.content == f"<@{s.bob.id}> can generate here again."
        assert await blocked_ids(s) == []
        refused = await mona.slash(s.channel, "unblock", user=s.bob)
        assert refusal(s, refused) == f"<@{s.bob.id}> isn't blocked here. `/blocked` shows who is."
        assert pinged(s) == []


async def test_a_block_ends_when_it_was_said_to(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        for options, ends in (({"duration": "hour"}, timedelta(hours=1)), ({"days": 3}, timedelta(days=3))):
            done = await mona.slash(s.channel, "block", user=s.bob, reason="spam", **options)
            (one,) = await BlockStore(s.app.store.database).list(s.guild.id, s.clock(), limit=9)
            assert one.until is not None
            assert one.until - one.created_at == ends
            assert f"<t:{int(one.until.timestamp())}:f>" in done.response.content
        s.clock.move(days=3)
        assert "Nobody." in text_of(s, (await mona.slash(s.channel, "blocked")).response)


async def test_a_duration_given_twice_changes_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        refused = await mona.slash(s.channel, "block", user=s.bob, reason="x", duration="day", days=2)
        assert refusal(s, refused) == "Please give either a duration or a number of days, not both."
        assert await blocked_ids(s) == []


async def test_a_duration_that_is_not_offered_blocks_nobody_for_ever(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        given = [
            {"name": "user", "type": 6, "value": str(s.bob.id)},
            {"name": "reason", "type": 3, "value": "x"},
            {"name": "duration", "type": 3, "value": "fortnight"},
        ]
        bob = {"id": str(s.bob.id), "username": "bob", "discriminator": "0", "avatar": None}
        resolved = {"users": {str(s.bob.id): bob | {"global_name": None}}}
        refused = await call(s, moderator(s), "block", given, resolved)
        assert refusal(s, refused) == "This duration isn't offered. Please choose one from the list."
        assert await blocked_ids(s) == []


async def test_moderators_oneself_and_bots_can_not_be_blocked(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona, other, rita = moderator(s), moderator(s, "otto"), await reviewer(s)
        robot = s.guild.add_member(s.env.create_user("robot", bot=True))
        expected = {
            mona: "You can't block yourself.",
            other: f"<@{other.id}> is a moderator here and can't be blocked. "
            "A server admin can take the role away first.",
            rita: f"<@{rita.id}> is a moderator here and can't be blocked. "
            "A server admin can take the role away first.",
            robot: "Bots don't generate anything here, so there is no need to block one.",
        }
        for target, sentence in expected.items():
            refused = await mona.slash(s.channel, "block", user=target, reason="x")
            assert refusal(s, refused) == sentence
        assert await blocked_ids(s) == []


async def test_the_reviewer_role_blocks_and_a_stranger_can_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        rita = await reviewer(s)
        options, resolved = user_option(s, s.alice.id, "alice")
        reason = {"name": "reason", "type": 3, "value": "spam"}
        assert not {"block", "unblock", "blocked"} & set(s.bob.available_commands(s.channel))
        for name, given in (("block", [*options, reason]), ("unblock", options), ("blocked", [])):
            refused = await call(s, s.bob, name, given, resolved)
            assert refusal(s, refused) == "Only this server's moderators can do that."
        await call(s, rita, "block", [*options, reason], resolved)
        assert await blocked_ids(s) == [s.alice.id]


async def test_somebody_who_left_or_was_deleted_is_blocked_by_id(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        options, resolved = user_option(s, 1 << 60, "deleted_user_1")
        await call(s, mona, "block", [*options, {"name": "reason", "type": 3, "value": "spam"}], resolved)
        assert await blocked_ids(s) == [1 << 60]
        await mona.slash(s.channel, "block", user=s.bob, reason="left")
        s.guild.remove_member(s.bob)
        listed = text_of(s, (await mona.slash(s.channel, "blocked")).response)
        assert f"<@{1 << 60}>" in listed
        assert f"<@{s.bob.id}>" in listed
        done = await call(s, mona, "unblock", *user_option(s, s.bob.id, "bob"))
        assert done.response.content == f"<@{s.bob.id}> can generate here again."


async def test_a_long_list_turns_its_pages_for_moderators_only(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        blocks = BlockStore(s.app.store.database)
        for number in range(1, 24):
            at = s.clock() + timedelta(seconds=number)
            await blocks.block(s.guild.id, number, by=mona.id, reason=None, until=None, now=at)
        message = (await mona.slash(s.channel, "blocked")).response
        assert text_of(s, message).count("blocked by") == 10
        await mona.click(message, label="Older")
        await s.restart()
        await mona.click(message, label="Older")
        assert [f"<@{number}> " in text_of(s, message) for number in (1, 3, 4)] == [True, True, False]
        refused = await press(s, s.bob, message, buttons_of(s, message)["Newer"])
        assert refusal(s, refused) == "Only this server's moderators can do that."
        beyond = await press(s, mona, message, "blocked:999999")
        assert "Nobody." in text_of(s, message)
        assert beyond.acknowledged
