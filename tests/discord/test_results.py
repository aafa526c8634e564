"""Delete: by the requester and by moderators, in all messages of a result; the record stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import update

from bot.runs import RunState
from bot.store.rows import DeliveryState
from bot.store.tables import deliveries
from demo.standin.deployments import VARIATIONS_ID
from tests.contract.store.stored import record
from tests.discord.court import NO_APPROVAL, court
from tests.discord.crowd import moderator
from tests.discord.files import finished_with, picture, song
from tests.discord.seen import buttons_of, press, refusal, texts
from tests.stage import Stage, stage


async def made(s: Stage, **options: Any) -> Any:
    """A result in the channel."""
    await s.alice.slash(s.channel, "generate", prompt="a fox", **options)
    await s.play()
    return s.messages()[-1]


async def test_the_requester_deletes_a_result_and_the_record_stays(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await made(s)
        await s.restart()
        done = await s.alice.click(message, label="Delete")
        assert done.ephemeral
        assert done.response.content == "It will be gone in a moment."
        await s.play()
        assert texts(s) == []
        run = await s.run()
        assert run.state is RunState.SUCCEEDED
        assert run.deleted_at is not None
        assert run.prompt == "a fox"
        lines = await record(s.app.store)
        assert [line.action for line in lines] == ["request", "outcome", "delete"]
        assert (lines[-1].actor_id, lines[-1].run_key) == (s.alice.id, run.key)


async def test_a_moderator_deletes_it_and_a_stranger_does_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        message = await made(s)
        refused = await s.bob.click(message, label="Delete")
        assert refusal(s, refused) == "Only this server's moderators can do that."
        assert len(texts(s)) == 1
        await mona.click(message, label="Delete")
        await s.play()
        assert texts(s) == []
        assert (await record(s.app.store))[-1].actor_id == mona.id


async def test_a_second_delete_is_told_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await made(s)
        custom_id = buttons_of(s, message)["Delete"]
        await s.alice.click(message, label="Delete")
        refused = await press(s, s.alice, message, custom_id)
        assert refusal(s, refused) == "It has already been deleted."
        await s.play()
        assert [line.action for line in await record(s.app.store)].count("delete") == 1


async def test_every_message_of_a_result_goes(tmp_path: Path) -> None:
    files = {"a.png": (picture(8, 8), "image/png"), "a.wav": (song(), "audio/wav")}
    async with finished_with(tmp_path, files) as s:
        first, second = s.messages()
        assert buttons_of(s, second) == {}
        await s.alice.click(first, label="Delete")
        await s.play()
        assert s.messages() == []


async def test_what_is_still_being_posted_goes_as_well(tmp_path: Path) -> None:
    """The button is there with the first message; the second one is late."""
    async with stage(tmp_path, comfydeploy_deployment_id=VARIATIONS_ID) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox", batch=12)
        await s.play()
        first, _second = s.messages()
        run = await s.run()
        # As a crash between the two messages leaves it.
        async with s.app.store.database.write() as connection:
            left = {"state": DeliveryState.PENDING, "messages": [[s.channel.id, first.id]]}
            await connection.execute(update(deliveries).values(left))
        await s.app.store.deliveries.release_leases()
        s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=503)
        await s.alice.click(first, label="Delete")
        await s.play()
        for _ in range(4):
            await s.later(minutes=1)
        assert not [m for m in s.messages() if run.key in str(m.attachments) or m.id == first.id]
        assert await s.app.store.deliveries.pending() == 0


async def test_a_message_that_somebody_deleted_by_hand_is_no_hindrance(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await made(s)
        custom_id = buttons_of(s, message)["Delete"]
        await press(s, s.alice, message, custom_id)
        await message.delete()
        await s.play()
        assert texts(s) == []
        assert await s.app.store.deliveries.pending() == 0


async def test_a_result_that_came_as_a_direct_message_is_deleted_there(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        s = c.s
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        s.clock.move(minutes=20)  # no way by the command's answer any more
        s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=403, code=50013, times=None)
        await s.play()
        dm = s.alice.user.dm_channel
        result = next(message for message in dm.history() if message.attachments)
        done = await s.alice.user.click(result, label="Delete")
        assert done.response.content == "It will be gone in a moment."
        await s.play()
        assert dm.history() == []
