"""A block ends the waiting requests of its user on that server, however it is made."""

from __future__ import annotations

from datetime import timedelta

import pytest
from simcord import MemberActor

from bot.domain.moderation import BLOCK_DURATIONS
from bot.domain.runs import RunState
from tests.discord.actors import blocked, moderator, moment, read, report, reviewer
from tests.discord.forged import press, send_form
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, set_rules
from tests.discord.rendered import (
    buttons_of,
    csv_of,
    fields,
    pinged,
    refusal,
    requests_to,
    text_of,
    texts,
)
from tests.harness import HELD, Harness

BLOCKED = "A moderator has blocked you from generating here until somebody unblocks you. "
ENDED = f"{BLOCKED}This request ended before it started."
ENDED_TWO = f"{BLOCKED}This request and another of yours ended before they started."


@pytest.mark.bot(max_concurrent_runs=1)
async def test_the_command_ends_what_waits_and_lets_go_on_what_runs(bot: Harness, mona: MemberActor) -> None:
    await set_rules(bot, budgets={"person": {"runs_a_day": 3}})
    asked = [await bot.ask(faults=HELD), await bot.ask(), await bot.ask()]
    assert await bot.states() == [RunState.RUNNING, RunState.WAITING, RunState.WAITING]
    assert not (await bot.bob.slash(bot.channel, "generate", prompt="a hen")).ephemeral
    done = await mona.slash(bot.channel, "block", user=bot.alice, reason="spam")
    assert done.response.content.endswith(" This ended 2 waiting requests.")
    await bot.play()
    assert "Starting the machine: Picture" in text_of(bot, asked[0].response)
    assert [answer.response for answer in asked[1:]] == [None, None]
    assert not any("block" in shown or "spam" in shown for shown in texts(bot))
    (letter,) = bot.alice.user.dm_channel.history()
    notice = text_of(bot, letter)
    assert (
        "blocked you from generating there. The block lasts until a moderator unblocks you. "
        "The block also ended another of your requests." in notice
    )
    assert "The moderator's reason: spam" in notice
    await bot.restart()
    await bot.release()
    ended = {run.request.requester_id for run in await bot.runs() if run.state is RunState.SUCCEEDED}
    assert ended == {bot.alice.id, bot.bob.id}
    assert len(bot.calls) == 2
    assert len(bot.alice.user.dm_channel.history()) == 1
    await mona.slash(bot.channel, "unblock", user=bot.alice)
    # Of the three runs a day, the two that were ended came back.
    for _ in range(2):
        assert not (await bot.ask()).ephemeral
    assert refusal(bot, await bot.ask()).startswith("You have reached today's limit of 3.")


async def test_a_cards_button_ends_every_request_that_awaits_approval(server: ModeratedServer) -> None:
    await server.ask()
    server.clock.move(hours=1)  # the interaction's token is long gone
    await server.ask()
    await server.ask(server.bob)
    first, second, others = server.cards()
    pinged_before = pinged(server)
    shown = await server.mona.click(second, label="Block")
    await server.restart()
    done = await server.mona.submit_modal(shown, {"reason": "that *word*", "duration": "open"})
    assert done.response.content == (
        f"<@{server.alice.id}> can't generate here until somebody unblocks them. "
        "This ended 2 waiting requests."
    )
    await server.play()
    assert await server.states() == [RunState.REJECTED, RunState.REJECTED, RunState.AWAITING_APPROVAL]
    assert texts(server) == []
    assert pinged(server) == pinged_before
    for card in (first, second):
        by, of = f"<@{server.mona.id}>", f"<@{server.alice.id}>"
        assert f"{by} blocked {of} <t:" in text_of(server, card)
        assert ", until somebody unblocks them.\nThe block ended this request" in text_of(server, card)
        assert "> that \\*word\\*" in text_of(server, card)
        assert buttons_of(server, card) == {}
    assert list(buttons_of(server, others)) == ["Approve", "Reject", "Block"]
    (letter,) = server.letters()
    assert "has blocked you from generating there." in letter
    assert "The block also ended another of your requests." in letter
    assert "The moderator's reason: that \\*word\\*" in letter
    assert "You can't generate on this server" in refusal(server, await server.ask())
    assert server.calls == []


@pytest.mark.bot(rules=NO_APPROVAL, max_concurrent_runs=1)
async def test_a_reports_button_ends_what_its_maker_has_waiting(server: ModeratedServer) -> None:
    await server.ask()
    await report(server.messages()[0], server.bob)
    await server.ask(faults=HELD)
    await server.ask()
    await server.decide_with_reason("Block", "that picture")
    assert await server.states() == [RunState.SUCCEEDED, RunState.RUNNING, RunState.REFUSED]
    assert list(buttons_of(server, server.card)) == ["Delete", "Block", "Dismiss"]
    (letter,) = server.letters()
    assert letter.startswith("Your request for **Picture** was not started: ")
    assert "requests" not in letter
    assert refusal(server, await server.ask()).endswith("“that picture”")
    assert not (await server.ask(server.bob)).ephemeral


async def test_the_audit_log_and_its_file_name_the_end_by_a_block(server: ModeratedServer) -> None:
    await server.ask(server.bob)
    await server.decide_with_reason("Reject", "no")
    await server.ask()
    await server.mona.slash(server.channel, "block", user=server.alice, reason="spam")
    asked = await server.mona.slash(server.channel, "audit")
    log = text_of(server, asked.response)
    assert f"**Picture** for <@{server.alice.id}> · Ended because of a block · " in log
    assert f"**Picture** for <@{server.bob.id}> · Not approved · " in log
    _, rows = await csv_of(await server.mona.click(asked.response, label="CSV file"))
    outcomes = [(row["person"], row["outcome"]) for row in rows if row["action"] == "Outcome"]
    alice, bob = f"<@{server.alice.id}>", f"<@{server.bob.id}>"
    assert outcomes == [(alice, "Ended because of a block"), (bob, "Not approved")]


@pytest.mark.parametrize("whose", ["a stranger's", "one's own", "a moderator's", "a reviewer's"])
async def test_a_refused_block_changes_nothing(server: ModeratedServer, whose: str) -> None:
    if whose == "a stranger's":
        await server.ask()
        refused = await press(server, server.bob, server.card, f"run:{(await server.run()).key}:block")
    else:
        other = await reviewer(server) if whose == "a reviewer's" else moderator(server, "max")
        await server.ask(server.mona if whose == "one's own" else other)
        refused = await server.mona.click(server.card, label="Block")
    if refused.modal is not None:
        refused = await server.mona.submit_modal(refused, {"reason": "spam", "duration": "open"})
    assert refusal(server, refused).startswith(
        {"a stranger's": "Only this server's moderators", "one's own": "You can't block yourself."}.get(
            whose, f"<@{(await server.run()).request.requester_id}> is a moderator here"
        )
    )
    await server.play()
    assert await server.states() == [RunState.AWAITING_APPROVAL]
    assert not [line for line in await server.audit() if line.action == "block"]


@pytest.mark.bot(rules=NO_APPROVAL, max_concurrent_runs=1)
async def test_a_block_that_ends_many_requests_posts_one_message(
    server: ModeratedServer,
) -> None:
    await server.ask(server.bob, faults=HELD)
    asked = [await server.ask() for _ in range(3)]
    await server.later(minutes=3)  # nobody is looking at the status messages any more
    posts = requests_to(server, "POST", f"/channels/{server.channel.id}/messages")
    await server.mona.slash(server.channel, "block", user=server.alice, reason="spam")
    await server.play()
    assert await server.states() == [RunState.RUNNING, *[RunState.REFUSED] * 3]
    posted = requests_to(server, "POST", f"/channels/{server.channel.id}/messages")[len(posts) :]
    assert posted == []
    assert [answer.response for answer in asked] == [None] * 3
    letters = server.letters()
    assert len(letters) == 1
    assert "The block also ended 2 more of your requests." in letters[0]


@pytest.mark.bot(rules=NO_APPROVAL, max_concurrent_runs=1)
async def test_without_direct_messages_one_message_in_the_channel_tells_of_all_requests(
    server: ModeratedServer,
) -> None:
    await server.ask(server.bob, faults=HELD)
    asked = [await server.ask() for _ in range(3)]
    before = pinged(server)
    dm = server.alice.user.dm_channel
    server.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)
    await server.mona.slash(server.channel, "block", user=server.alice, reason="spam")
    await server.play()
    told = texts(server)[-1]
    assert "Ended because of a block: Picture" in told
    assert f"{BLOCKED}This request and 2 more of yours ended before they started." in told
    assert "spam" not in told
    assert pinged(server)[len(before) :] == [server.alice.id]
    assert len(texts(server)) == 2  # beside Bob's status
    assert [answer.response for answer in asked] == [None] * 3


async def test_the_end_of_a_block_is_told_wherever_it_ends_a_request(server: ModeratedServer) -> None:
    await server.ask()
    await server.mona.slash(server.channel, "block", user=server.alice, reason="spam", days=3)
    until = moment(server, days=3)
    await server.play()
    (letter,) = server.letters()
    assert f"The block ends {until}." in letter
    assert f", until {until}.\nThe block ended this request" in server.verdict
    assert texts(server) == []


@pytest.mark.parametrize(("choice", "length"), [*BLOCK_DURATIONS.items()])
async def test_a_cards_form_offers_the_durations_of_the_command(
    server: ModeratedServer, choice: str, length: timedelta | None
) -> None:
    await server.ask()
    shown = await server.mona.click(server.card, label="Block")
    command = server.env.backend.find_command("block", server.guild.id, type=1)
    (duration,) = [each for each in command["options"] if each["name"] == "duration"]
    offered = [(each["name"], each["value"]) for each in duration["choices"]]
    field = fields(shown.modal)["duration"]
    assert [(each["label"], each["value"]) for each in field["options"]] == offered
    assert [each["value"] for each in field["options"] if each.get("default")] == []
    done = await server.mona.submit_modal(shown, {"reason": "spam", "duration": choice})
    seconds = length.total_seconds() if length is not None else 0
    end = f"until {moment(server, seconds=seconds)}." if length else "until somebody unblocks them."
    assert end in done.response.content
    assert await blocked(server, server.mona) == [server.alice.id]


@pytest.mark.parametrize("duration", [None, "fortnight"])
async def test_a_form_of_another_version_blocks_until_unblocked_only_if_it_asked_for_no_duration(
    server: ModeratedServer, duration: str | None
) -> None:
    await server.ask()
    key = (await server.run()).key
    texts = {"reason": "spam", **({"duration": duration} if duration is not None else {})}
    sent = await send_form(server, server.mona, server.card, f"run:{key}:block", **texts)
    if duration is None:
        assert "until unblocked" in await read(server, server.mona, "blocked")
    else:
        assert refusal(server, sent) == "This duration isn't offered. Please choose one from the list."
        assert await blocked(server, server.mona) == []


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_block_in_the_middle_of_a_batch_says_that_the_rest_was_not_started(
    bot: Harness, mona: MemberActor
) -> None:
    await bot.ask(count=3, faults=HELD)
    assert await bot.states() == [RunState.RUNNING, RunState.WAITING, RunState.WAITING]
    done = await mona.slash(bot.channel, "block", user=bot.alice, reason="spam")
    assert done.response.content.endswith(" This ended 1 waiting request.")
    await bot.release()
    (told,) = texts(bot)
    assert "Picture, 1 of 3" in told
    assert "**2, 3** Not started. Behind More, Details tells its requester why." in told
    assert "block" not in told
    (message,) = bot.messages()
    picked = (await bot.bob.click(message, label="2")).response
    assert "Not started." in text_of(bot, picked)
    for person, reads in ((bot.alice, True), (mona, True), (bot.bob, False)):
        picked = (await person.click(message, label="2")).response.message
        details = text_of(bot, (await person.click(picked, label="Details")).response)
        assert ("blocked you from generating here" in details) is reads
        assert ("The moderator's reason: spam" in details) is reads


@pytest.mark.bot(rules=NO_APPROVAL | {"private_results": True}, max_concurrent_runs=1)
@pytest.mark.parametrize("minutes", [0, 16], ids=["answerable", "after the interaction"])
async def test_a_block_tells_about_private_requests_only_in_private(
    server: ModeratedServer, minutes: int
) -> None:
    await server.ask(server.bob, faults=HELD)
    await server.ask()
    for _ in range(2):
        await server.ask(private=True)
    await server.later(minutes=minutes)
    await server.mona.slash(server.channel, "block", user=server.alice, reason="spam")
    await server.play()
    assert len(texts(server)) == 1  # Bob's status
    letters = server.letters()
    assert ["has blocked you from generating there." in each for each in letters] == [True] * 3
    assert not any("also ended" in each for each in letters)
