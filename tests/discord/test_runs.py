"""`/runs`: pages, filters, cancelling and posting again, also after a restart and against forged presses."""

from __future__ import annotations

from typing import Any

import pytest
from simcord import MemberActor

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import VIDEO_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete, read
from tests.discord.channels import thread_in
from tests.discord.deliveries import every_way_closed
from tests.discord.deployments import ADULT, described
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import adult_channel, mark_adult, set_rules
from tests.discord.rendered import THUMBNAIL, buttons_of, raw_components, refusal, text_of, walk
from tests.harness import HELD, Harness


def custom_ids(bot: Harness, message: Any) -> list[str]:
    return [part["custom_id"] for part in walk(raw_components(bot, message)) if "custom_id" in part]


def prompts(text: str) -> list[str]:
    return [line.removeprefix("-# ") for line in text.splitlines() if line.startswith("-# ")]


async def test_a_line_leads_to_the_result_or_the_status_message(bot: Harness) -> None:
    result = await bot.made()
    status = await bot.made(faults=HELD)
    text = await read(bot, bot.alice, "runs")
    assert "Done: **Picture** <t:" in text
    for message in (result, status):
        assert f"[open](https://discord.com/channels/{bot.guild.id}/{bot.channel.id}/{message.id})" in text


def thumbnails(bot: Harness, message: Any) -> list[str]:
    return [part["media"]["url"] for part in walk(raw_components(bot, message)) if part["type"] == THUMBNAIL]


async def test_results_have_thumbnails_with_fresh_links(bot: Harness) -> None:
    await set_rules(bot, private_results=True)
    await bot.made(faults=Faults(ends_as="failed"))
    result, batch = await bot.made(), await bot.made(count=2)
    await delete(bot, await bot.made())
    await bot.ask(private=True)
    shown = (await bot.alice.slash(bot.channel, "runs")).response
    links = [each.attachments[0].url for each in (batch, result)]
    assert thumbnails(bot, shown) == links
    bot.env.inject_error("GET", f"/channels/{bot.channel.id}/messages/*", status=500)
    again = (await bot.alice.slash(bot.channel, "runs")).response
    assert len(thumbnails(bot, again)) == 1
    assert text_of(bot, again).count("[open](") == text_of(bot, shown).count("[open](") == 3


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_result_has_a_thumbnail_only_in_such_a_channel(bot: Harness) -> None:
    adult = await adult_channel(bot)
    await bot.ask(channel=adult)
    here = (await bot.alice.slash(bot.channel, "runs")).response
    assert thumbnails(bot, here) == []
    assert "[open](" in text_of(bot, here)
    assert "age-restricted, so it isn't shown here" in text_of(bot, here)
    there = (await bot.alice.slash(adult, "runs")).response
    assert len(thumbnails(bot, there)) == 1


@pytest.mark.parametrize("by_moderator", [False, True])
async def test_a_deleted_result_is_listed_without_a_link(
    bot: Harness, mona: MemberActor, by_moderator: bool
) -> None:
    await delete(bot, await bot.made(), mona if by_moderator else bot.alice)
    text = await read(bot, bot.alice, "runs")
    assert "Done: **Picture** <t:" in text
    assert text.splitlines()[1].endswith(":R> · deleted by a moderator" if by_moderator else ":R> · deleted")
    assert "[open](" not in text


async def test_a_deletion_of_one_of_several_results_is_listed(bot: Harness, mona: MemberActor) -> None:
    await bot.ask(count=3)
    for number, actor, told in ((1, bot.alice, "partly deleted"), (2, mona, "partly deleted by a moderator")):
        one = (await actor.click(bot.messages()[0], label=str(number))).response.message
        await delete(bot, one, actor)
        (line,) = [
            line for line in (await read(bot, bot.alice, "runs")).splitlines() if line.startswith("Done")
        ]
        assert line.endswith(f") · {told}")


async def test_ones_own_runs_come_newest_first_in_pages_also_after_a_restart(bot: Harness) -> None:
    for number in range(12):
        await bot.ask(prompt=f"fox {number}")
        bot.clock.move(seconds=6)
    await bot.ask(bot.bob, prompt="a secret")
    asked = await bot.alice.slash(bot.channel, "runs")
    assert asked.ephemeral
    message = asked.response
    newest = [f"fox {number}" for number in range(11, 1, -1)]
    assert prompts(text_of(bot, message)) == newest
    await bot.restart()
    await bot.alice.click(message, label="Older")
    assert prompts(text_of(bot, message)) == ["fox 1", "fox 0"]
    await bot.alice.click(message, label="Newer")
    assert prompts(text_of(bot, message)) == newest
    theirs = (await bot.bob.slash(bot.channel, "runs")).response
    await press(bot, bot.bob, theirs, "runs:0:all:page:")
    assert prompts(text_of(bot, theirs)) == ["a secret"]


async def test_the_list_shows_one_state(bot: Harness) -> None:
    empty = await read(bot, bot.alice, "runs")
    assert "You haven't requested anything yet. Try `/generate`." in empty
    await bot.ask(faults=Faults(ends_as="failed"), prompt="broken")
    await bot.ask()
    failed = await read(bot, bot.alice, "runs", state="failed")
    assert "### Your requests: Failed" in failed
    assert prompts(failed) == ["broken"]
    none = (await bot.alice.slash(bot.channel, "runs", state="running")).response
    assert "You have none like that." in text_of(bot, none)
    assert buttons_of(bot, none) == {}


@pytest.mark.bot(max_concurrent_runs=1)
async def test_requests_are_cancelled_from_the_list_after_a_restart(bot: Harness) -> None:
    await bot.ask(prompt="runs", faults=HELD)
    await bot.ask(prompt="waits")
    message = (await bot.alice.slash(bot.channel, "runs")).response
    running, waiting = [run.key for run in await bot.runs()]
    offered = [f"runs:0:all:cancel:{key}" for key in (waiting, running)]
    assert custom_ids(bot, message) == offered
    await bot.restart()
    await bot.alice.click(message, custom_id=offered[0])
    assert "Cancelled: **Picture**" in text_of(bot, message)
    assert custom_ids(bot, message) == offered[1:]
    await bot.alice.click(message, label="Cancel")
    assert "Cancelling: **Picture**" in text_of(bot, message)
    assert custom_ids(bot, message) == []
    await bot.play()
    assert {run.state for run in await bot.runs()} == {RunState.CANCELLED}
    assert len(bot.calls) == 1


KEPT_ADULT = {"deployments": ADULT + described(video=VIDEO_ID)}


async def kept_adult_result(bot: Harness) -> Any:
    """Return the marked channel of an age-restricted result that was not delivered."""
    adult = await adult_channel(bot)
    with every_way_closed(bot):
        await bot.ask(channel=adult, command="generate picture")
    return adult


@pytest.mark.bot(**KEPT_ADULT)
@pytest.mark.parametrize("where", ["plain channel", "its own, no longer marked", "thread of a plain channel"])
async def test_an_age_restricted_result_stays_out_of_unmarked_channels(bot: Harness, where: str) -> None:
    adult = await kept_adult_result(bot)
    # The deployment is taken out of the file, and with it the operator's mark.
    await bot.restart(deployments=described(video=VIDEO_ID))
    mark_adult(bot, adult)
    place = bot.channel
    if where == "its own, no longer marked":
        mark_adult(bot, adult, marked=False)
        place = adult
    elif where == "thread of a plain channel":
        place = thread_in(bot, bot.channel)
        await bot.env.settle()
    shown = (await bot.alice.slash(place, "runs", state="undelivered")).response
    refused = await bot.alice.click(shown, label="Post it here")
    said = [refused.response.content, *(told.content for told in refused.followups)]
    assert said == ["This result is age-restricted. Please use an age-restricted channel."]
    await bot.play()
    assert not any(message.attachments for message in bot.messages(place))
    mark_adult(bot, adult)
    shown = (await bot.alice.slash(adult, "runs", state="undelivered")).response
    await bot.alice.click(shown, label="Post it here")
    await bot.play()
    assert len(bot.messages(adult)[-1].attachments) == 1


async def test_a_forged_choice_reaches_nobody_elses_run(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    mine = (await bot.alice.slash(bot.channel, "runs")).response
    (cancel,) = custom_ids(bot, mine)
    own = await own_answer(bot, bot.bob)
    strange = await press(bot, bot.bob, own, cancel)
    assert refusal(bot, strange) == (
        "Only the requester and people with Manage Messages here can cancel this."
    )
    gone = await press(bot, bot.bob, own, "runs:0:all:cancel:nothing")
    assert refusal(bot, gone) == "This request no longer exists."
    assert (await bot.run()).cancel_requested_at is None
