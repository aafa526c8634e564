"""`/queue`: what the server has running and waiting, without what others requested."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.batches import ask
from tests.discord.rendered import buttons_of, pinged, refusal, text_of
from tests.harness import HELD, Harness


@pytest.mark.bot(max_concurrent_runs=1)
async def test_running_requests_come_first_then_the_queue_in_its_order(bot: Harness) -> None:
    bot.comfydeploy.next_faults(HELD)
    for actor, prompt in ((bot.alice, "a fox"), (bot.alice, "an owl"), (bot.bob, "a secret")):
        await bot.ask(actor, prompt=prompt)
    asked = await bot.alice.slash(bot.channel, "queue")
    assert asked.ephemeral
    heading, *lines = text_of(bot, asked.response).splitlines()
    assert heading == "### Running and waiting on this server"
    assert lines[0].startswith(f"1. Generating: **Picture** <@{bot.alice.id}> <t:")
    assert lines[1] == "-# a fox"
    waiting = [line for line in lines[2:] if not line.startswith("-# ")]
    assert waiting[0].startswith(f"2. Up next: **Picture** <@{bot.bob.id}>")
    assert "for its deployment" not in waiting[0]
    assert waiting[1].startswith(f"3. Waiting for a free slot: **Picture** <@{bot.alice.id}>")
    assert waiting[1].endswith("number 2 for its deployment")
    assert "a secret" not in "\n".join(lines)
    assert pinged(bot) == []


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_long_queue_has_pages_also_after_a_restart(bot: Harness) -> None:
    bot.comfydeploy.next_faults(HELD)
    for number in range(12):
        actor = bot.alice if number < 8 else bot.bob
        await actor.slash(bot.channel, "generate", prompt=f"fox {number}")
    await bot.play()
    message = (await bot.bob.slash(bot.channel, "queue")).response
    assert text_of(bot, message).count("**Picture**") == 10
    await bot.restart()
    await bot.bob.click(message, label="More")
    assert text_of(bot, message).count("**Picture**") == 2
    assert "\n11. " in text_of(bot, message)
    await bot.bob.click(message, label="Back")
    assert "\n1. Generating" in text_of(bot, message)


async def test_the_first_page_can_be_refreshed(bot: Harness) -> None:
    message = (await bot.bob.slash(bot.channel, "queue")).response
    assert "Nothing at the moment." in text_of(bot, message)
    assert list(buttons_of(bot, message)) == ["Refresh"]
    await bot.ask(prompt="a fox", faults=HELD)
    await bot.bob.click(message, label="Refresh")
    assert "1. Generating: **Picture**" in text_of(bot, message)


@pytest.mark.bot(max_concurrent_runs=2)
async def test_a_batch_is_one_entry(bot: Harness) -> None:
    await ask(bot, Faults(), HELD, HELD, count=4)
    await bot.ask(bot.bob, prompt="a hare")
    _, *lines = text_of(bot, (await bot.alice.slash(bot.channel, "queue")).response).splitlines()
    assert lines[0].startswith(f"1. Generating (1 of 4): **Picture** <@{bot.alice.id}>")
    assert lines[2].startswith(f"2. Up next: **Picture** <@{bot.bob.id}>")
    assert len(lines) == 3


@pytest.mark.bot(max_concurrent_runs=1, max_waiting_per_server=2)
async def test_a_server_queues_no_more_than_the_operator_allows(bot: Harness) -> None:
    bot.comfydeploy.next_faults(HELD)
    for _ in range(3):
        await bot.ask()
    refused = refusal(bot, await bot.ask(bot.bob))
    assert refused == "This server already has 2 requests waiting. Please try again soon."


async def test_an_idle_server_and_another_servers_runs_show_nothing(bot: Harness) -> None:
    await bot.ask()
    message = (await bot.bob.slash(bot.channel, "queue")).response
    assert "Nothing at the moment." in text_of(bot, message)
    assert buttons_of(bot, message) == {"Refresh": "queue:0"}
