"""`/runs`: pages, filters, cancelling and posting again, also after a restart and against forged presses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.runs import RunState
from demo.standin.deployments import VIDEO_ID
from demo.standin.faults import Faults
from tests.discord.court import mark_adult
from tests.discord.files import bucket, picture
from tests.discord.places import ADULT, thread_in
from tests.discord.seen import (
    buttons_of,
    galleries_of,
    menus,
    pinged,
    press,
    raw_components,
    refusal,
    text_of,
)
from tests.discord.settings_seen import select_as
from tests.stage import Stage, stage
from tests.web.service import run_under_way


def menu_id(s: Stage, message: Any, control: str) -> str:
    rows = [part["components"] for part in raw_components(s, message) if part["type"] == 1]
    (found,) = [
        part["custom_id"] for row in rows for part in row if part["custom_id"].startswith(f"runs:{control}:")
    ]
    return str(found)


def prompts(text: str) -> list[str]:
    return [line.removeprefix("-# ") for line in text.splitlines() if line.startswith("-# ")]


async def generated(s: Stage, actor: Any, *given: str) -> None:
    for prompt in given:
        await actor.slash(s.channel, "generate", prompt=prompt)
        s.clock.move(seconds=1)
        await s.play()


async def test_ones_own_runs_come_newest_first_in_pages_also_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, *(f"fox {number}" for number in range(12)))
        await generated(s, s.bob, "a secret")
        asked = await s.alice.slash(s.channel, "runs")
        assert asked.ephemeral
        message = asked.response
        newest = [f"fox {number}" for number in range(11, 1, -1)]
        assert prompts(text_of(s, message)) == newest
        await s.restart()
        await s.alice.click(message, label="Older")
        assert prompts(text_of(s, message)) == ["fox 1", "fox 0"]
        await s.alice.click(message, label="Newer")
        assert prompts(text_of(s, message)) == newest
        assert pinged(s) == [s.alice.id] * 12 + [s.bob.id]


async def test_a_line_says_what_became_of_it_and_leads_to_its_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, "a fox")
        (result,) = s.messages()
        text = text_of(s, (await s.alice.slash(s.channel, "runs")).response)
        assert "1. Done: **Picture** <t:" in text
        assert f"[open](https://discord.com/channels/{s.guild.id}/{s.channel.id}/{result.id})" in text


async def test_one_that_is_under_way_leads_to_its_status_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await generated(s, s.alice, "a fox")
        (status,) = s.messages()
        text = text_of(s, (await s.alice.slash(s.channel, "runs")).response)
        assert f"/{s.channel.id}/{status.id})" in text


async def test_the_state_filters_and_its_pages_keep_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(ends_as="failed"))
        await generated(s, s.alice, "broken")
        await generated(s, s.alice, *(f"fox {number}" for number in range(11)))
        failed = (await s.alice.slash(s.channel, "runs", state="failed")).response
        assert "### Your requests: Failed" in text_of(s, failed)
        assert prompts(text_of(s, failed)) == ["broken"]
        done = (await s.alice.slash(s.channel, "runs", state="done")).response
        await s.alice.click(done, label="Older")
        assert prompts(text_of(s, done)) == ["fox 0"]
        none = (await s.alice.slash(s.channel, "runs", state="running")).response
        assert "There are none like that." in text_of(s, none)
        assert buttons_of(s, none) == {}


async def test_who_has_asked_for_nothing_is_told_how(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.alice.slash(s.channel, "runs")
        assert "You haven't asked for anything yet. Try `/generate`." in text_of(s, asked.response)


async def test_what_waits_or_runs_is_cancelled_from_the_list_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path, max_concurrent_runs=1) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await generated(s, s.alice, "runs", "waits")
        message = (await s.alice.slash(s.channel, "runs")).response
        offered = menus(s, message)["Cancel a request"]
        assert [label for label, _ in offered] == ["1. Picture: waits", "2. Picture: runs"]
        await s.restart()
        await s.alice.select(message, [offered[0][1]])
        assert "1. Cancelled: **Picture**" in text_of(s, message)
        assert [label for label, _ in menus(s, message)["Cancel a request"]] == ["2. Picture: runs"]
        await s.alice.select(message, [offered[1][1]])
        assert "2. Cancelling: **Picture**" in text_of(s, message)
        assert menus(s, message) == {}
        await s.play()
        assert {run.state for run in await s.runs()} == {RunState.CANCELLED}
        assert len(s.calls) == 1


async def test_a_result_that_found_no_way_is_posted_where_it_is_asked_for(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        s.env.inject_error("POST", "/channels/*/messages", status=403, code=50013, times=None)
        s.env.inject_error("PATCH", "/webhooks/*", status=404, code=10015, times=None)
        await s.play()
        await s.restart()
        s.env.backend.faults.clear()
        kept = (await s.alice.slash(s.channel, "runs", state="kept")).response
        assert "couldn't be posted; choose it below" in text_of(s, kept)
        ((_, key),) = menus(s, kept)["Post a result here"]
        chosen = await s.alice.select(kept, [key])
        assert [told.content for told in chosen.followups] == ["I'll post it here in a moment."]
        assert "There are none like that." in text_of(s, kept)
        await s.play()
        posted = s.messages()[-1]
        assert len(posted.attachments) == 1
        assert "> a fox" in text_of(s, posted)


KEPT_ADULT = {"deployments": f'{ADULT}[deployments.video]\ndeployment_id = "{VIDEO_ID}"\n'}


async def kept_adult_result(s: Stage) -> tuple[Any, Any]:
    """A result of an age-restricted deployment that found no way, and the marked channel it is from."""
    adult = s.guild.create_text_channel("adult")
    await s.env.settle()
    mark_adult(s, adult)
    await s.alice.slash(adult, "generate picture", prompt="a fox")
    s.env.inject_error("POST", "/channels/*/messages", status=403, code=50013, times=None)
    s.env.inject_error("PATCH", "/webhooks/*", status=404, code=10015, times=None)
    await s.play()
    s.env.backend.faults.clear()
    return adult, (await s.run()).key


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize("where", ["plain channel", "its own, no longer marked", "thread of a plain channel"])
async def test_an_age_restricted_result_is_never_brought_where_discord_marks_nothing(
    tmp_path: Path, where: str, offered: bool
) -> None:
    async with stage(tmp_path, **KEPT_ADULT) as s:
        adult, key = await kept_adult_result(s)
        if not offered:
            # The deployment is taken out of the file, and with it the operator's mark.
            (tmp_path / "deployments.toml").write_text(
                f'[deployments.video]\ndeployment_id = "{VIDEO_ID}"\n', encoding="utf-8"
            )
        await s.restart()
        mark_adult(s, adult)
        place = s.channel
        if where == "its own, no longer marked":
            mark_adult(s, adult, marked=False)
            place = adult
        elif where == "thread of a plain channel":
            place = thread_in(s, s.channel)
            await s.env.settle()
        shown = (await s.alice.slash(place, "runs", state="kept")).response
        refused = await s.alice.select(shown, [key])
        said = [refused.response.content, *(told.content for told in refused.followups)]
        assert "This deployment runs only in channels that are marked as age-restricted." in said
        await s.play()
        assert not any(message.attachments for message in s.messages(place))
        mark_adult(s, adult)
        shown = (await s.alice.slash(adult, "runs", state="kept")).response
        await s.alice.select(shown, [key])
        await s.play()
        assert len(s.messages(adult)[-1].attachments) == 1


async def test_a_forged_choice_reaches_nobody_elses_run(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await generated(s, s.alice, "a fox")
        mine = (await s.alice.slash(s.channel, "runs")).response
        ((_, key),) = menus(s, mine)["Cancel a request"]
        cancel = menu_id(s, mine, "cancel")
        strange = await select_as(s, s.bob, s.messages()[0], cancel, key)
        assert refusal(s, strange) == "Only the person who asked can use this button."
        gone = await select_as(s, s.bob, s.messages()[0], cancel, "nothing")
        assert refusal(s, gone) == "I don't know this request any more."
        stale = await press(s, s.bob, s.messages()[0], "runs:page:o:nothing:0:")
        assert refusal(s, stale).startswith("This list is out of date.")
        assert (await s.run()).cancel_requested_at is None


async def test_another_persons_list_button_shows_ones_own_runs(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, "a secret fox")
        shown = (await s.bob.slash(s.channel, "runs")).response
        await press(s, s.bob, shown, "runs:page:o:all:0:")
        assert "a secret fox" not in text_of(s, shown)


async def test_a_result_of_which_half_came_is_posted_again_whole(tmp_path: Path) -> None:
    files = {f"{number}.png": (picture(8, 8), "image/png") for number in range(12)}
    async with bucket(files) as base, run_under_way(tmp_path) as caller:
        s = caller.stage
        items = [{"url": f"{base}/{name}", "filename": name, "type": "output"} for name in files]
        output = {"id": "o", "data": {"images": items}, "node_meta": {"node_id": "9"}}
        await caller.call(caller.event("success", outputs=[output]))
        posts = f"/channels/{s.channel.id}/messages"
        emit = s.env.backend.emit

        def closing(event: str, *rest: Any) -> Any:
            """The bot loses the channel once the first of two messages is there."""
            if event == "MESSAGE_CREATE":
                s.env.inject_error("POST", posts, status=403, code=50013, times=1)
            return emit(event, *rest)

        s.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, times=1)
        s.env.backend.emit = closing  # type: ignore[method-assign]
        await s.play()
        s.env.backend.emit = emit  # type: ignore[method-assign]
        assert [galleries_of(s, message) for message in s.messages()] == [[], [10]]
        listed = await s.alice.slash(s.channel, "runs")
        assert "couldn't be posted" in text_of(s, listed.response)
        await s.alice.select(listed.response, [(await s.run()).key])
        await s.play()
        # What came of it the first time is gone.
        assert [galleries_of(s, message) for message in s.messages()] == [[10], [2]]
        assert len(s.calls) == 1
