"""A person who writes too often is refused before anything is read or written."""

from __future__ import annotations

from typing import Any

from bot.memory import WRITES_PER_PERSON
from bot.ui.custom_ids import SettingId
from tests.discord.actors import open_details, press_delete
from tests.discord.moderated_server import ModeratedServer, set_rules
from tests.discord.rendered import fields, refusal, text_of
from tests.discord.settings_panel import Panel, shown_in
from tests.harness import HELD, Harness

TOO_FAST = "You're going too fast. Please try again in a minute."
WORDS = {"words": {"blocked": ["fox"]}}


async def told(bot: Harness, actor: Any = None, prompt: str = "a fox") -> str:
    answer = await (actor or bot.alice).slash(bot.channel, "generate", prompt=prompt)
    assert answer.ephemeral
    return refusal(bot, answer)


async def spend_all(bot: Harness, actor: Any = None) -> None:
    """Use up a person's allowance."""
    for _ in range(WRITES_PER_PERSON):
        assert refusal(bot, await (actor or bot.alice).slash(bot.channel, "preset delete", name="none"))


async def test_after_ten_refusals_a_person_waits_a_minute(bot: Harness) -> None:
    await set_rules(bot, **WORDS)
    for _ in range(WRITES_PER_PERSON):
        assert (await told(bot)).startswith("Your **prompt** has a word")
    bot.clock.move(seconds=20)
    for prompt in ("a fox", "a hare"):
        assert await told(bot, prompt=prompt) == TOO_FAST
    assert sum(line.action == "refusal" for line in await bot.audit()) == WRITES_PER_PERSON
    # Nobody else is slowed down.
    assert not (await bot.ask(bot.bob, prompt="a hare")).ephemeral
    bot.clock.move(seconds=41)
    assert not (await bot.ask(prompt="a hare")).ephemeral


async def test_commands_buttons_and_forms_share_one_allowance(bot: Harness) -> None:
    message = await bot.made()
    form = await bot.alice.click(message, label="Edit")
    await spend_all(bot)
    for answer in (
        await bot.alice.click(message, label="Again"),
        await press_delete(bot, message, bot.alice),
        await bot.alice.slash(bot.channel, "preset save", name="noir"),
    ):
        assert refusal(bot, answer) == TOO_FAST
    kept = (await bot.alice.submit_modal(form, {"prompt": "a wolf"})).response
    assert TOO_FAST in text_of(bot, kept)
    bot.clock.move(minutes=1)
    again = await bot.alice.click(kept.message, label="Edit and try again")
    assert fields(again.modal)["prompt"]["value"] == "a wolf"
    assert (len(bot.calls), len(bot.messages())) == (1, 1)


async def test_what_only_shows_something_is_never_refused(bot: Harness) -> None:
    message = await bot.made()
    await spend_all(bot)
    for _ in range(2):
        assert (await bot.alice.click(message, label="Edit")).modal is not None
        assert TOO_FAST not in str((await open_details(message, bot.alice)).response.content)
    for command in ("help", "runs", "queue", "usage", "preset list", "privacy delete"):
        answer = await bot.alice.slash(bot.channel, command)
        assert TOO_FAST not in str(answer.response.content), command


async def test_cancel_and_the_deletion_of_ones_data_are_never_refused(bot: Harness) -> None:
    asked = await bot.ask(faults=HELD)
    await spend_all(bot)
    erased = await bot.alice.click(
        (await bot.alice.slash(bot.channel, "privacy delete")).response, label="Delete my data"
    )
    assert str(erased.response.content).startswith("Deleted the contents of ")
    await bot.alice.click(asked.response.message, label="Cancel")
    await bot.play()
    assert (await bot.run()).state == "cancelled"


async def test_a_moderator_decides_about_as_many_cards_as_there_are(server: ModeratedServer) -> None:
    await server.ask()
    await server.ask(server.bob)
    await spend_all(server, server.mona)
    await server.decide("Approve")
    assert len(server.calls) == 1
    reason = await server.mona.click(server.cards()[0], label="Reject")
    await server.mona.submit_modal(reason, {"reason": "no"})
    assert sorted(str(run.state) for run in await server.runs()) == ["rejected", "succeeded"]
    blocked = await server.mona.slash(server.channel, "block", user=server.alice.user, reason="spam")
    assert refusal(server, blocked) == TOO_FAST


async def test_settings_are_shown_and_their_changes_are_counted(server: ModeratedServer) -> None:
    panel = Panel(server, "maria")
    await spend_all(server, panel.actor)
    await panel.open()
    form = await panel.actor.click(panel.message, custom_id=SettingId("approval", "open").encode())
    await panel.fill(form, mode=["off"])
    assert TOO_FAST in panel.text
    assert shown_in(await panel.press("Edit again"))["mode"] == ["off"]
    assert shown_in(await panel.change("approval"))["mode"] == ["everybody"]


async def test_a_form_is_counted_when_it_is_sent(bot: Harness) -> None:
    message = await bot.made()
    for _ in range(WRITES_PER_PERSON * 2):
        assert (await bot.alice.click(message, label="Edit")).modal is not None
    form = await bot.alice.click(message, label="Edit")
    sent = await bot.alice.submit_modal(form, {"prompt": "a wolf"})
    assert not sent.ephemeral
