"""Private results are shown only to the requester; moderators can open them from the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.runs import RunState
from bot.memory import WRITES_PER_PERSON
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete, member, moderator, open_more, press_behind, press_delete, read
from tests.discord.deliveries import close_direct_messages, delivery_states
from tests.discord.deployments import ADULT
from tests.discord.files import finish_with, pictures
from tests.discord.follow_ups import BOTH, MANY, SMALL, let_open, upscaled_from_a_card
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import ModeratedServer, mark_adult, set_rules
from tests.discord.rendered import (
    RESULT_BUTTONS,
    buttons_of,
    galleries_of,
    menus,
    pinged,
    refusal,
    text_of,
    use_with,
)
from tests.discord.settings_panel import Panel, rules_of
from tests.harness import HELD, Harness

GONE = "This request no longer exists."
OPEN, POST = "Open", "Post it here"


@pytest.fixture
async def lenient(bot: Harness) -> Harness:
    """Run a bot on a server that allows private results."""
    await set_rules(bot, private_results=True)
    return bot


def letters(bot: Harness) -> list[Any]:
    return list(bot.alice.user.dm_channel.history())


def nothing_public(bot: Harness) -> None:
    """Check that neither the channel nor any call that could have posted there has a trace of the request."""
    assert bot.messages() == []
    mine = f"/channels/{bot.channel.id}/messages"
    assert [each for each in bot.env.http_requests if mine in each.path and each.method != "GET"] == []


async def test_only_the_requester_sees_the_answer_and_its_result(lenient: Harness) -> None:
    bot = lenient
    answer = await bot.ask(private=True, faults=HELD)
    assert answer.ephemeral
    said = text_of(bot, answer.response)
    assert "Only you can see this. Moderators can open the result, too." in said
    assert "`/runs` shows where to find it" in said
    await bot.restart()
    await bot.release()
    assert len(answer.response.message.attachments) == 1
    assert list(buttons_of(bot, answer.response)) == RESULT_BUTTONS
    nothing_public(bot)
    assert pinged(bot) == []
    assert await delivery_states(bot) == ["sent"]
    again = await bot.click(answer.response.message, "Again")
    assert again.ephemeral
    form = await bot.alice.click(answer.response.message, label="Edit")
    edited = await bot.alice.submit_modal(form, {"prompt": "a wolf"})
    assert edited.ephemeral
    await bot.play()
    assert [run.request.private for run in await bot.runs()] == [True, True, True]
    deleted = await press_delete(bot, again.response.message)
    assert text_of(bot, deleted.response) == "Deleted."
    assert again.response is None
    assert letters(bot) == []
    nothing_public(bot)


async def test_delete_behind_an_old_more_asks_for_another(lenient: Harness) -> None:
    bot = lenient
    answer = await bot.ask(private=True)
    more = await open_more(answer.response.message, bot.alice)
    await bot.later(minutes=15)
    for _ in ("the token is too old", "the process forgot it"):
        refused = await bot.alice.click(more, label="Delete")
        assert refusal(bot, refused).endswith("Please press More again.")
        await bot.restart()
    assert (await bot.run()).deleted_at is None
    await press_delete(bot, answer.response.message)
    assert answer.response is None


async def test_it_starts_only_if_the_server_allows_it_and_a_failure_is_private(
    bot: Harness,
) -> None:
    refused = await bot.ask(private=True)
    assert refusal(bot, refused) == (
        "Private results are off here. A server admin can allow them in `/settings`."
    )
    assert bot.calls == []
    admin = Panel(bot)
    await admin.set("results", private_results=["true"])
    assert (await rules_of(bot)).private_results
    failed = await bot.ask(private=True, faults=Faults(ends_as="failed"))
    assert "Failed: " in text_of(bot, failed.response)
    assert len(bot.calls) == 1
    nothing_public(bot)


async def test_nobody_else_reaches_it_with_a_forged_press(lenient: Harness) -> None:
    bot = lenient
    carol = member(bot, "carol", manage_messages=True)
    own = await own_answer(bot, carol)
    await bot.ask(private=True, faults=HELD)
    key = (await bot.runs())[-1].key
    for action in ("details", "edit", "report", "more", "cancel"):
        refused = await press(bot, carol, own, f"run:{key}:{action}")
        assert refusal(bot, refused) == GONE
    refused = await press(bot, carol, own, f"run:{key}:delete")
    assert refusal(bot, refused).startswith("Only the requester, moderators and people")
    for actor, shown in ((bot.bob, False), (bot.alice, True)):
        text = await read(bot, actor, "queue")
        assert (f"<@{bot.alice.id}>" in text, "**Picture**" in text) == (shown, shown)
        assert ("a private request" in text) is not shown


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
async def test_after_the_interaction_it_comes_directly_or_waits(lenient: Harness, closed: bool) -> None:
    bot = lenient
    answer = await bot.ask(private=True, faults=HELD)
    await bot.later(minutes=14, seconds=10)
    assert "This takes longer than I can answer here." in text_of(bot, answer.response)
    await bot.restart()
    await bot.later(minutes=2)
    if closed:
        close_direct_messages(bot)
    await bot.release()
    nothing_public(bot)
    if not closed:
        result, note = letters(bot)
        assert len(result.attachments) == 1
        assert note.content.startswith("I couldn't answer privately in [that channel](")
        assert await delivery_states(bot) == ["sent"]
        return
    assert await delivery_states(bot) == ["undelivered"]
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    posted = await bot.alice.click(listed, label=POST)
    assert posted.ephemeral
    await bot.restart()
    await bot.play()
    assert len(posted.response.message.attachments) == 1
    assert await delivery_states(bot) == ["sent"]
    nothing_public(bot)
    assert len(bot.calls) == 1


async def test_moderators_open_it_from_the_audit_log_which_records_that(lenient: Harness) -> None:
    bot = lenient
    mona = moderator(bot)
    await bot.ask(private=True)
    (key,) = await bot.keys()
    page = (await mona.slash(bot.channel, "audit")).response
    assert "a fox" not in text_of(bot, page)
    assert buttons_of(bot, page)[OPEN] == f"auditopen:{key}"
    await bot.restart()
    await bot.ask(bot.bob)  # opens the connection to the bucket, which the offline Discord would wait for
    await delete(bot, bot.messages()[-1], bot.bob)
    opened = await mona.click(page, label=OPEN)
    shown = opened.response
    assert shown.flags.ephemeral
    assert len(shown.attachments) == 1
    assert f"a private result of <@{bot.alice.id}>" in text_of(bot, shown)
    assert "> a fox" in text_of(bot, shown)
    log = await read(bot, mona, "audit")
    assert f"<@{mona.id}> opened a private result of **Picture** for <@{bot.alice.id}>" in log
    forged = await press(bot, bot.bob, await own_answer(bot, bot.bob), f"auditopen:{key}")
    assert refusal(bot, forged) == "Only this server's moderators can do that."
    await delete(bot, shown, mona)
    gone = await mona.click(page, label=OPEN)
    assert refusal(bot, gone) == "This has already been deleted."
    assert bot.messages() == []


async def test_only_a_private_request_with_a_result_is_offered_to_moderators(lenient: Harness) -> None:
    bot = lenient
    mona = moderator(bot)
    await finish_with(bot, {}, private=True)
    for made in (0, 1):
        await bot.ask(private=True, faults=Faults(ends_as="failed", made=made))
        await bot.later(minutes=1)
    empty, failed, partial = await bot.keys()
    page = (await mona.slash(bot.channel, "audit")).response
    assert [each for each in buttons_of(bot, page).values() if "open" in each] == [f"auditopen:{partial}"]
    for key in (failed, empty):
        refused = await press(bot, mona, page, f"auditopen:{key}")
        assert refusal(bot, refused) == "This request has no result to open."
    shown = (await mona.click(page, label=OPEN)).response
    await delete(bot, shown, mona)
    assert OPEN not in buttons_of(bot, (await mona.slash(bot.channel, "audit")).response)


async def test_moderators_open_all_results_of_a_private_batch_at_once(lenient: Harness) -> None:
    bot = lenient
    await bot.ask(private=True, count=2)
    mona = moderator(bot)
    page = (await mona.slash(bot.channel, "audit")).response
    assert " · results: 2 of 2 · result: private" in text_of(bot, page)
    await mona.click(page, label=OPEN)
    shown = [m for m in bot.channel.history(viewer=mona) if m.attachments]
    assert [len(each.attachments) for each in shown] == [1, 1]
    assert [line.action for line in await bot.audit()].count("open_private") == 1


async def test_the_requester_opens_it_again_after_a_reload(lenient: Harness) -> None:
    bot = lenient
    await bot.ask(private=True, count=2)
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    shown = await bot.alice.click(listed, label=OPEN)
    assert shown.ephemeral
    assert galleries_of(bot, shown.response) == [2]
    theirs = buttons_of(bot, listed)[OPEN]
    refused = await press(bot, bot.bob, await own_answer(bot, bot.bob), theirs)
    assert refusal(bot, refused) == "Only the requester can use this."
    nothing_public(bot)


@pytest.mark.parametrize("by_moderator", [False, True], ids=["requester", "moderator"])
async def test_it_is_opened_only_a_few_times_a_minute(lenient: Harness, by_moderator: bool) -> None:
    bot = lenient
    await bot.ask(private=True)
    actor = moderator(bot) if by_moderator else bot.alice
    listed = (await actor.slash(bot.channel, "audit" if by_moderator else "runs")).response
    bot.clock.move(minutes=1)
    for _ in range(WRITES_PER_PERSON):
        shown = await actor.click(listed, label=OPEN)
        assert len(shown.response.attachments) == 1
    refused = await actor.click(listed, label=OPEN)
    assert refusal(bot, refused) == "You're going too fast. Please try again in a minute."
    bot.clock.move(minutes=1)
    shown = await actor.click(listed, label=OPEN)
    assert len(shown.response.attachments) == 1


@pytest.mark.parametrize(
    ("status", "tries", "told"),
    [
        (400, 2, "Discord refused to show this result. Please tell the bot's operator."),
        (503, 1, "Discord didn't answer, so nothing has changed. Please try again in a minute."),
    ],
    ids=["refused", "away"],
)
async def test_a_refusal_is_not_called_an_outage(
    lenient: Harness, status: int, tries: int, told: str
) -> None:
    bot = lenient
    await bot.ask(private=True)
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    # A refused message is tried again with a link in place of its file.
    bot.env.inject_error("POST", "/webhooks/*", status=status, times=tries)
    shown = await bot.alice.click(listed, label=OPEN)
    assert refusal(bot, shown) == told


async def test_pictures_beyond_ten_are_ephemeral_too(lenient: Harness) -> None:
    bot = lenient
    await finish_with(bot, pictures(12), private=True)
    await bot.play()
    shown = [m for m in bot.channel.history(viewer=bot.alice) if m.attachments]
    assert [(len(m.attachments), m.flags.ephemeral) for m in shown] == [(10, True), (2, True)]
    nothing_public(bot)


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_one_follows_the_channel(lenient: Harness) -> None:
    bot = lenient
    mark_adult(bot, bot.channel)
    answer = await bot.ask(private=True, faults=HELD)
    mark_adult(bot, bot.channel, marked=False)
    await bot.release()
    assert "It is age-restricted" in text_of(bot, answer.response)
    assert answer.response.message.attachments == []
    assert await delivery_states(bot) == ["undelivered"]
    mona = moderator(bot)
    page = (await mona.slash(bot.channel, "audit")).response
    refused = await mona.click(page, label=OPEN)
    assert "an age-restricted channel" in refusal(bot, refused)
    mark_adult(bot, bot.channel)
    posted = await bot.click(answer.response.message, "Post it here")
    assert posted.ephemeral
    await bot.later(seconds=6)  # Discord has the answer by then
    assert len(posted.response.message.attachments) == 1
    nothing_public(bot)


@pytest.mark.parametrize("decision", ["Approve", pytest.param("Reject", marks=pytest.mark.slow)])
@pytest.mark.bot(rules={"private_results": True})
async def test_a_decision_after_the_interaction_stays_private(server: ModeratedServer, decision: str) -> None:
    answer = await server.ask(private=True)
    assert answer.ephemeral
    assert "private" in text_of(server, server.card)
    await server.later(minutes=20)
    await server.restart()
    if decision == "Approve":
        await server.decide("Approve")
        assert (await server.run()).state is RunState.SUCCEEDED
        assert len(letters(server)[0].attachments) == 1
    else:
        await server.reject("no foxes")
        assert any("The moderator's reason: no foxes" in text for text in server.letters())
    nothing_public(server)


@pytest.mark.bot(deployments=BOTH)
async def test_a_follow_up_takes_one_of_a_private_batch(lenient: Harness) -> None:
    bot = lenient
    let_open(bot)
    answer = await bot.ask(**SMALL, count=2, private=True)
    one = await bot.alice.click(answer.response.message, label="2")
    assert galleries_of(bot, one.response) == [1]
    await bot.click(one.response.message, "Upscale")
    _, second, child = await bot.runs()
    assert (child.request.parent_key, child.request.private) == (second.key, True)
    assert second.key in bot.calls[-1].body["inputs"]["image"]


@pytest.mark.bot(deployments=MANY)
async def test_a_follow_up_behind_more_takes_a_private_result(lenient: Harness) -> None:
    bot = lenient
    let_open(bot)
    answer = await bot.ask(**SMALL, private=True)
    more = await open_more(answer.response.message, bot.alice)
    ((_, upscale), *_) = menus(bot, more)["Choose a follow-up"]
    await bot.alice.select(more, [upscale])
    await bot.play()
    assert [run.request.private for run in await bot.runs()] == [True, True]
    nothing_public(bot)


@pytest.mark.bot(deployments=BOTH, rules={"private_results": True})
async def test_a_message_command_on_a_review_card_keeps_its_picture_private(server: ModeratedServer) -> None:
    let_open(server)
    await server.ask(**SMALL, private=True)
    await server.decide("Approve")
    answer = next(each for each in server.channel.history(viewer=server.alice) if each.attachments)
    await upscaled_from_a_card(server, answer)
    await set_rules(server, private_results=True)
    await server.mona.context_menu(server.review, "Upscale", server.card)
    await server.play()
    (child,) = [run for run in await server.runs() if run.request.requester_id == server.mona.id]
    assert child.request.private


@pytest.mark.bot(deployments=BOTH)
async def test_a_private_picture_is_not_used_where_private_results_are_off_now(lenient: Harness) -> None:
    bot = lenient
    let_open(bot)
    await bot.ask(private=True, **SMALL)
    shown = [each for each in bot.channel.history(viewer=bot.alice) if each.flags.ephemeral][-1]
    offered = await press_behind(bot, shown, "Use as input", bot.alice)
    await set_rules(bot)
    chosen = use_with(bot, offered.response.message, "upscale")
    form = await bot.alice.select(offered.response.message, chosen)
    refused = await bot.alice.submit_modal(form, {})
    assert refusal(bot, refused).startswith("Private results are off here.")
