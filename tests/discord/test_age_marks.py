"""An age-restricted result is shown only where Discord marks the channel when it is posted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import simcord

from bot.store.rows import DeliveryState
from demo.standin.faults import Faults
from tests.discord.court import mark_adult
from tests.discord.deliveries import ANSWERS, delivery_states, die_after_the_post
from tests.discord.elsewhere import OWN_ACCOUNT, elsewhere
from tests.discord.places import ADULT, thread_in
from tests.discord.seen import buttons_of, pinged, refusal, requests_to, text_of
from tests.stage import Stage, stage

WITHHELD = "It is age-restricted, so I post it only in channels that are marked so."


async def adult_channel(s: Stage) -> simcord.ChannelHandle:
    adult = s.guild.create_text_channel("adult")
    await s.env.settle()
    mark_adult(s, adult)
    return adult


async def under_way(s: Stage, channel: Any, **options: Any) -> None:
    s.standin.next_faults(Faults(hold_at="running"))
    await s.alice.slash(channel, "generate", prompt="a fox", **options)
    await s.play()


async def finished(s: Stage) -> None:
    s.standin.release()
    await s.later(seconds=3)


@pytest.mark.parametrize("count", [1, 2])
async def test_where_the_mark_was_taken_off_meanwhile_the_result_waits(tmp_path: Path, count: int) -> None:
    async with stage(tmp_path, deployments=ADULT) as s:
        adult = await adult_channel(s)
        s.channel = adult
        await under_way(s, adult, count=count)
        mark_adult(s, adult, marked=False)
        await finished(s)
        (told,) = s.messages(adult)
        assert told.attachments == []
        assert WITHHELD in text_of(s, told)
        assert pinged(s) == [s.alice.id]
        assert await delivery_states(s) == [DeliveryState.KEPT]
        refused = await s.alice.click(told, label="Post it here")
        assert "marked as age-restricted" in refusal(s, refused)
        mark_adult(s, adult)
        await s.alice.click(told, label="Post it here")
        await s.play()
        (result,) = s.messages(adult)
        assert len(result.attachments) == count
        assert DeliveryState.KEPT not in await delivery_states(s)
        # Discord answers a nonce of the last minutes with the message that it was sent with.
        posts = requests_to(s, "POST", f"/channels/{adult.id}/messages")
        assert len({each.json["nonce"] for each in posts}) == 2


async def test_a_thread_goes_by_its_parent(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ADULT) as s:
        adult = await adult_channel(s)
        thread = thread_in(s, adult)
        await s.env.settle()
        await under_way(s, thread)
        await finished(s)
        assert len(s.messages(thread)[-1].attachments) == 1
        await under_way(s, thread)
        mark_adult(s, adult, marked=False)
        await finished(s)
        assert WITHHELD in text_of(s, s.messages(thread)[-1])


@pytest.mark.parametrize("answers", [True, False])
async def test_with_its_channel_closed_it_never_comes_as_a_direct_message(
    tmp_path: Path, answers: bool
) -> None:
    async with stage(tmp_path, deployments=ADULT) as s:
        adult = await adult_channel(s)
        await under_way(s, adult)
        s.env.inject_error("POST", f"/channels/{adult.id}/messages", status=403, code=50013, times=None)
        if not answers:
            s.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
        await finished(s)
        if answers:
            # The command's own answer stands in the marked channel.
            assert await delivery_states(s) == [DeliveryState.SENT]
            assert s.alice.user.dm_channel is None or s.alice.user.dm_channel.history() == []
            return
        (letter,) = s.alice.user.dm_channel.history()
        assert letter.attachments == []
        assert WITHHELD in text_of(s, letter)
        assert list(buttons_of(s, letter)) == ["Details"]
        assert await delivery_states(s) == [DeliveryState.KEPT]
        s.env.backend.faults.clear()
        listed = (await s.alice.slash(adult, "runs", state="kept")).response
        await s.alice.select(listed, [(await s.run()).key])
        await s.play()
        assert len(s.messages(adult)[-1].attachments) == 1


async def test_without_a_result_there_is_nothing_to_withhold(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ADULT) as s:
        adult = await adult_channel(s)
        s.standin.next_faults(Faults(ends_as="failed"))
        await s.alice.slash(adult, "generate", prompt="a fox")
        mark_adult(s, adult, marked=False)
        await s.play()
        (told,) = s.messages(adult)
        assert "The run failed on the machine" in text_of(s, told)
        assert await delivery_states(s) == [DeliveryState.SENT]


async def test_discord_is_asked_for_the_mark_only_where_nothing_remembers_it(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ADULT) as s:
        adult = await adult_channel(s)
        await under_way(s, adult)
        await finished(s)
        assert len(s.messages(adult)) == 1
        assert requests_to(s, "GET", f"/channels/{adult.id}") == []


async def test_a_crash_after_the_note_leaves_one(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ADULT) as s:
        adult = await adult_channel(s)
        await under_way(s, adult)
        mark_adult(s, adult, marked=False)
        s.standin.release()
        await s.standin.idle()
        await die_after_the_post(s)
        await s.restart()
        await s.later(minutes=2)
        (told,) = s.messages(adult)
        assert WITHHELD in text_of(s, told)
        assert await delivery_states(s) == [DeliveryState.KEPT]


async def test_what_took_longer_than_the_answer_lives_is_not_sent_directly_either(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ADULT, **OWN_ACCOUNT) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        with elsewhere(s, "foreign server", nsfw=True):
            await s.alice.user.slash("generate", prompt="a fox")
        await s.play()
        await s.later(minutes=20)
        await finished(s)
        letters = s.alice.user.dm_channel.history()
        assert [letter.attachments for letter in letters] == [[]] * len(letters)
        assert WITHHELD in text_of(s, letters[-1])
        assert await delivery_states(s) == [DeliveryState.KEPT]
