"""A kept result posted again: only on its own server, by its rules, and with nothing left over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import simcord

from bot.delivery.courier import MAX_TRIES
from bot.store.rows import DeliveryState
from demo.standin.faults import Faults
from tests.discord.court import mark_adult, ruled
from tests.discord.crowd import moderator, override, owner
from tests.discord.deliveries import delivery_states
from tests.discord.files import bucket, picture
from tests.discord.seen import galleries_of, menus, press, raw_components, refusal, text_of
from tests.discord.settings_seen import select_as
from tests.discord.several import DEPLOYMENTS, files
from tests.stage import Stage, stage
from tests.web.service import run_under_way

POST = "Post a result here"
POST_ID = "runs:post:o:kept:0:"


@contextmanager
def every_way_closed(s: Stage) -> Iterator[None]:
    s.env.inject_error("POST", "/channels/*/messages", status=403, code=50013, times=None)
    s.env.inject_error("PATCH", "/webhooks/*", status=404, code=10015, times=None)
    yield
    s.env.backend.faults.clear()


@contextmanager
def only_one_part(s: Stage) -> Iterator[None]:
    """The bot loses the channel once the first message is there, and reaches nobody directly."""
    emit = s.env.backend.emit

    def closing(event: str, *rest: Any) -> Any:
        if event == "MESSAGE_CREATE":
            s.env.inject_error("POST", f"/channels/{s.channel.id}/messages", status=403, code=50013, times=1)
        return emit(event, *rest)

    s.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, times=1)
    s.env.backend.emit = closing  # type: ignore[method-assign]
    yield
    s.env.backend.emit = emit  # type: ignore[method-assign]


async def kept_result(s: Stage, **options: Any) -> str:
    await s.alice.slash(s.channel, "generate", prompt="a fox", **options)
    with every_way_closed(s):
        await s.play()
    return (await s.run()).key


async def post_from(s: Stage, place: Any, actor: Any = None) -> Any:
    """Alice's only kept result, chosen from the list shown there."""
    shown = (await (actor or s.alice).slash(place, "runs", state="kept")).response
    ((_, key),) = menus(s, shown)[POST]
    chosen = await (actor or s.alice).select(shown, [key])
    await s.play()
    return chosen


async def own_server(s: Stage) -> tuple[simcord.MemberActor, simcord.ChannelHandle]:
    """A server of Alice's own, where nobody moderates her."""
    other = s.env.create_guild("Mine")
    channel = other.create_text_channel("mine")
    alice = other.add_member(s.alice.user)
    await s.env.settle()
    return alice, channel


async def test_what_can_not_be_brought_for_a_reason_nobody_foresaw_is_kept_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path) as s:
        http = s.app.bot.http
        before = http.request

        async def stumbles(route: Any, **kwargs: Any) -> Any:
            if route.method == "POST" and route.path.endswith("/messages"):
                raise ValueError("a fault of the library's")
            return await before(route, **kwargs)

        await s.alice.slash(s.channel, "generate", prompt="a fox")
        monkeypatch.setattr(http, "request", stumbles)
        await s.play()
        assert await delivery_states(s) == [DeliveryState.PENDING]
        for _ in range(25):
            await s.later(minutes=11)
        assert await delivery_states(s) == [DeliveryState.KEPT]
        monkeypatch.undo()
        await post_from(s, s.channel)
        (message,) = [message for message in s.messages() if message.attachments]
        assert "> a fox" in text_of(s, message)


async def test_what_ends_the_process_with_each_try_is_kept_in_the_end(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        s.standin.release()
        await s.standin.idle()
        for _ in range(MAX_TRIES):
            await s.restart()
            assert await s.app.store.deliveries.claim("dies", s.clock(), timedelta()) is not None
        await s.restart()
        await s.play()
        assert await delivery_states(s) == [DeliveryState.KEPT]
        await post_from(s, s.channel)
        (message,) = [message for message in s.messages() if message.attachments]
        assert "> a fox" in text_of(s, message)


async def test_on_another_server_it_is_neither_offered_nor_posted(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, budgets={"person": {"runs_a_day": 1}})
        key = await kept_result(s)
        alice, elsewhere = await own_server(s)
        shown = (await alice.slash(elsewhere, "runs", state="kept")).response
        asked_in = f"https://discord.com/channels/{s.guild.id}/{s.channel.id}"
        assert f"couldn't be posted; use `/runs` [where you asked]({asked_in})" in text_of(s, shown)
        assert menus(s, shown) == {}
        home, s.channel = s.channel, elsewhere
        forged = await select_as(s, alice, shown, POST_ID, key)
        assert refusal(s, forged) == (
            "A result is posted only on the server it was asked for on. "
            f"Please use `/runs` [there]({asked_in})."
        )
        pressed = await press(s, alice, shown, f"run:{key}:post")
        assert refusal(s, pressed).startswith("A result is posted only on the server")
        s.channel = home
        await s.play()
        assert not [message for message in elsewhere.history(viewer=alice) if message.attachments]
        # It still counts where it was asked for, and is posted there.
        spent = await s.alice.slash(s.channel, "generate", prompt="another")
        assert refusal(s, spent).startswith("You have used your 1 runs for today.")
        await post_from(s, s.channel)
        assert len(s.messages()[-1].attachments) == 1
        assert (await s.run()).guild_id == s.guild.id


async def test_in_direct_messages_a_servers_result_is_not_posted(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await kept_result(s)
        shown = (await s.alice.user.slash("runs")).response
        assert "use `/runs` [where you asked](" in text_of(s, shown)
        assert menus(s, shown) == {}


async def test_who_is_blocked_meanwhile_posts_nothing_until_it_is_lifted(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await kept_result(s)
        mona = moderator(s)
        await mona.slash(s.channel, "block", user=s.alice, reason="spam")
        refused = await post_from(s, s.channel)
        assert refusal(s, refused) == "A moderator has blocked you from generating on this server: spam"
        assert not [message for message in s.messages() if message.attachments]
        await mona.slash(s.channel, "unblock", user=s.alice)
        await post_from(s, s.channel)
        assert len(s.messages()[-1].attachments) == 1


async def test_while_paused_nothing_kept_is_posted(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await kept_result(s)
        await owner(s).slash(s.channel, "pause", reason="moving")
        refused = await post_from(s, s.channel)
        assert refusal(s, refused) == "Generating is paused for the moment: moving"
        assert not [message for message in s.messages() if message.attachments]


async def test_a_server_no_longer_allowed_gets_nothing_kept(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await kept_result(s)
        await s.restart(allowed_guild_ids="1")
        refused = await post_from(s, s.channel)
        assert refusal(s, refused).startswith("This bot doesn't generate on this server.")
        assert not [message for message in s.messages() if message.attachments]


async def test_the_commands_own_permissions_hold_for_posting_too(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await kept_result(s)
        override(s, {s.alice.user: False})
        refused = await post_from(s, s.channel)
        assert refusal(s, refused) == "This server's settings don't let you use this here."
        assert not [message for message in s.messages() if message.attachments]


@pytest.mark.parametrize("adult", [True, False])
async def test_it_hides_behind_a_click_where_the_rules_now_say_so(tmp_path: Path, adult: bool) -> None:
    async with stage(tmp_path) as s:
        await kept_result(s)
        await ruled(s, spoiler="not_age_restricted")
        mark_adult(s, s.channel, marked=adult)
        await post_from(s, s.channel)
        posted = s.messages()[-1]
        galleries = [part for part in everything(raw_components(s, posted)) if part.get("type") == 12]
        hidden = [bool(item.get("spoiler")) for gallery in galleries for item in gallery["items"]]
        assert hidden == [not adult]


def everything(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for part in components:
        yield part
        yield from everything(part.get("components", []))


@asynccontextmanager
async def half_posted(folder: Path) -> AsyncIterator[Stage]:
    """A result of twelve files, of which only the first message could be posted."""
    made = {f"{number}.png": (picture(8, 8), "image/png") for number in range(12)}
    async with bucket(made) as base, run_under_way(folder) as caller:
        items = [{"url": f"{base}/{name}", "filename": name, "type": "output"} for name in made]
        output = {"id": "o", "data": {"images": items}, "node_meta": {"node_id": "9"}}
        await caller.call(caller.event("success", outputs=[output]))
        with only_one_part(caller.stage):
            await caller.stage.play()
        yield caller.stage


def shown(s: Stage) -> list[list[int]]:
    return [galleries_of(s, message) for message in s.messages() if message.attachments]


async def test_delete_takes_every_message_of_a_result_that_was_posted_by_halves(tmp_path: Path) -> None:
    async with half_posted(tmp_path) as s:
        with only_one_part(s):
            await post_from(s, s.channel)
        assert shown(s) == [[10], [10]]
        mona = moderator(s)
        deleted = await press(s, mona, s.messages()[-1], f"run:{(await s.run()).key}:delete")
        assert deleted.response.content == "It will be gone in a moment."
        await s.play()
        assert shown(s) == []


async def test_a_first_half_that_could_not_be_removed_goes_with_delete(tmp_path: Path) -> None:
    async with half_posted(tmp_path) as s:
        s.env.inject_error("DELETE", "/channels/*/messages/*", status=403, code=50013, times=None)
        await post_from(s, s.channel)
        assert shown(s) == [[10], [10], [2]]
        s.env.backend.faults.clear()
        await moderator(s).click(s.messages()[-2], label="Delete")
        await s.play()
        assert shown(s) == []


async def test_a_deleted_result_is_not_posted_again(tmp_path: Path) -> None:
    async with half_posted(tmp_path) as s:
        key = (await s.run()).key
        await press(s, moderator(s), s.messages()[-1], f"run:{key}:delete")
        await s.play()
        listed = (await s.alice.slash(s.channel, "runs")).response
        refused = await select_as(s, s.alice, listed, POST_ID, key)
        assert refusal(s, refused) == "There is nothing left to post for this request."
        await s.play()
        assert shown(s) == []


async def test_after_its_requester_erased_their_data_moderators_still_delete_the_half(tmp_path: Path) -> None:
    async with half_posted(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "privacy delete")
        await s.alice.click(asked.response, label="Delete my data")
        assert (await s.run()).prompt is None
        none = (await s.alice.slash(s.channel, "runs", state="kept")).response
        assert menus(s, none) == {}
        await press(s, moderator(s), s.messages()[-1], f"run:{(await s.run()).key}:delete")
        await s.play()
        assert shown(s) == []


async def test_of_several_a_deleted_one_stays_in_no_earlier_message(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=DEPLOYMENTS) as s:
        await s.alice.slash(s.channel, "generate variations", prompt="a fox", batch=4, count=4)
        with only_one_part(s):
            await s.play()
        assert shown(s) == [[10]]
        s.env.inject_error("DELETE", "/channels/*/messages/*", status=403, code=50013, times=None)
        await post_from(s, s.channel)
        s.env.backend.faults.clear()
        assert shown(s) == [[10], [10], [6]]
        first = (await s.runs())[0].key
        one = await s.alice.click(s.messages()[-2], label="1")
        await s.alice.click(one.response.message, label="Delete")
        await s.play()
        left = [message for message in s.messages() if message.attachments]
        assert sum(len(files(message)) for message in left) == 12
        assert first not in [key for message in left for key in files(message)]
        await s.alice.click(left[0], label="Delete")
        await s.play()
        assert shown(s) == []
