"""Discord in trouble: the result still arrives, once, by the best way that is left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.store.rows import DeliveryState
from demo.standin.deployments import PICTURE_ID
from demo.standin.faults import Faults
from tests.discord.deliveries import ANSWERS, POSTS, delivery_states, die_after_the_post
from tests.discord.seen import RESULT_BUTTONS, buttons_of, galleries_of, pinged, requests_to, text_of
from tests.stage import Stage, stage


async def asked(s: Stage) -> Any:
    """A request whose outcome is there, but not in Discord yet."""
    s.standin.next_faults(Faults(hold_at="running"))
    result = await s.alice.slash(s.channel, "generate", prompt="a fox")
    await s.play()
    s.standin.release()
    await s.standin.idle()
    return result


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_post_that_discord_did_not_take_is_made_again(tmp_path: Path, status: int) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        s.env.inject_error("POST", POSTS, status=status, times=3)
        await s.play()
        assert await delivery_states(s) == [DeliveryState.PENDING]
        for _ in range(4):
            await s.later(minutes=1)
        (message,) = s.messages()
        assert len(message.attachments) == 1
        assert await delivery_states(s) == [DeliveryState.SENT]
        assert len(s.calls) == 1


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (403, 50001), (404, 10003)])
async def test_a_closed_channel_leaves_the_commands_own_answer(
    tmp_path: Path, status: int, code: int
) -> None:
    async with stage(tmp_path) as s:
        result = await asked(s)
        s.env.inject_error("POST", POSTS, status=status, code=code, times=None)
        await s.play()
        (message,) = s.messages()
        assert message.id == result.response.id
        assert len(message.attachments) == 1
        assert "> a fox" in text_of(s, message)
        assert list(buttons_of(s, message)) == RESULT_BUTTONS
        assert await delivery_states(s) == [DeliveryState.SENT]


async def test_with_the_answer_gone_too_it_comes_as_a_direct_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=403, code=50013, times=None)
        s.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
        await s.play()
        result, note = s.alice.user.dm_channel.history()
        assert len(result.attachments) == 1
        link = f"https://discord.com/channels/{s.guild.id}/{s.channel.id}"
        assert note.content == f"I couldn't post this in [the channel you asked in]({link}), so here it is."
        assert await delivery_states(s) == [DeliveryState.SENT]


async def test_with_every_way_closed_it_is_kept(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        s.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
        s.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
        await s.play()
        assert await delivery_states(s) == [DeliveryState.KEPT]
        posts = len(requests_to(s, "POST", "/messages"))
        await s.later(hours=5)
        assert len(requests_to(s, "POST", "/messages")) == posts
        assert (await s.run()).outputs


async def test_an_expired_interaction_is_no_rung(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.later(minutes=20)
        s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=403, code=50013, times=None)
        s.standin.release()
        await s.play()
        assert len(s.alice.user.dm_channel.history()) == 2


async def test_a_deleted_channel_sends_it_to_the_person(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        s.env.backend.delete_channel(s.channel.id)
        await s.play()
        await s.later(minutes=1)
        result, note = s.alice.user.dm_channel.history()
        assert len(result.attachments) == 1
        assert "I couldn't post this" in note.content


async def test_what_discord_finds_too_large_becomes_a_link_and_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        s.env.inject_error("POST", POSTS, status=413, code=40005, times=2)
        await s.play()
        (message,) = s.messages()
        assert not message.attachments
        text = text_of(s, message)
        assert "too large to upload here: [open it](" in text
        assert s.standin.root in text


async def test_a_failure_is_told_down_the_ladder_too(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(ends_as="failed"))
        s.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
        result = await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        assert "The run failed on the machine, " in text_of(s, result.response)
        assert list(buttons_of(s, result.response)) == ["Try again", "Edit", "Details"]


async def test_a_post_whose_answer_was_lost_is_found_instead_of_repeated(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        await die_after_the_post(s)
        assert len(s.messages()) == 2
        await s.restart()
        await s.later(minutes=2)
        (message,) = s.messages()
        assert galleries_of(s, message) == [1]
        assert len(requests_to(s, "POST", f"/channels/{s.channel.id}/messages")) == 1
        assert pinged(s) == [s.alice.id]
        assert await delivery_states(s) == [DeliveryState.SENT]


@pytest.mark.parametrize("body", ["cut-off", "expired"])
async def test_a_post_whose_answer_was_lost_is_found_also_when_its_files_are_gone_by_now(
    tmp_path: Path, body: str
) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        await die_after_the_post(s)
        (run,) = s.standin.runs
        run.own_faults = Faults.model_validate({"body": body})
        await s.restart()
        for _ in range(8):
            await s.later(minutes=5)
        (message,) = s.messages()
        assert galleries_of(s, message) == [1]
        assert pinged(s) == [s.alice.id]
        assert await delivery_states(s) == [DeliveryState.SENT]


async def test_it_is_found_also_when_the_deployment_takes_more_at_once_by_now(tmp_path: Path) -> None:
    three = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\nmax_count = 3\n'
    async with stage(tmp_path, deployments=three) as s:
        await asked(s)
        await die_after_the_post(s)
        (tmp_path / "deployments.toml").write_text(three.replace("count = 3", "count = 4"))
        await s.restart()
        for _ in range(8):
            await s.later(minutes=5)
        (message,) = s.messages()
        assert "Vary ×4" not in buttons_of(s, message)
        assert pinged(s) == [s.alice.id]
        assert await delivery_states(s) == [DeliveryState.SENT]


async def test_what_was_made_smaller_is_found_too(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        s.env.inject_error("POST", POSTS, status=413, code=40005, times=2)
        await die_after_the_post(s)
        s.env.inject_error("POST", POSTS, status=413, code=40005, times=2)
        await s.restart()
        await s.later(minutes=20)
        (message,) = s.messages()
        assert "too large to upload here" in text_of(s, message)
        assert await delivery_states(s) == [DeliveryState.SENT]


async def test_dying_before_the_post_leaves_it_to_the_next_process(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        http = s.app.bot.http
        before = http.request

        async def dies(route: Any, **kwargs: Any) -> Any:
            if route.method == "POST":
                raise asyncio.CancelledError
            return await before(route, **kwargs)

        http.request = dies  # type: ignore[method-assign]  # the process's last breath
        with pytest.raises(asyncio.CancelledError):
            await s.app.workers["deliver"].drain()
        await s.restart()
        await s.later(minutes=2)
        (message,) = s.messages()
        assert galleries_of(s, message) == [1]
        assert pinged(s) == [s.alice.id]


async def test_the_bot_was_removed_from_the_server(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asked(s)
        s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=403, code=50001, times=None)
        s.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
        s.env.inject_error("DELETE", "*", status=403, code=50001, times=None)
        await s.play()
        assert len(s.alice.user.dm_channel.history()) == 2
        assert await delivery_states(s) == [DeliveryState.SENT]
