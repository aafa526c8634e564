"""What the operator has changed applies to earlier requests and results; what is repeated writes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import simcord

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import owner
from tests.discord.deployments import ONE
from tests.discord.follow_ups import BOTH, SMALL, UPSCALE, let_open
from tests.discord.moderated_server import ModeratedServer, mark_adult
from tests.discord.rendered import csv_of, refusal, text_of
from tests.discord.shares import Shares
from tests.harness import HELD, Harness

GPUS = f'{ONE}gpus = ["A10G", "H100"]\n'
STYLES = '[deployments.picture.inputs.style]\nchoices = ["photo", "neon"]\n'
# What is asked for, the deployments.toml that no longer offers it, and what is said then.
REMOVALS = {
    "a GPU": (
        {"gpu": "H100"},
        GPUS.replace(', "H100"', ""),
        "H100 isn't offered any more. Please start this again with another GPU.",
    ),
    "a choice": (
        {"style": "ink"},
        f"{GPUS}{STYLES}",
        "`style` has changed since this request, so nothing was started. Please start it again.",
    ),
}
removing = pytest.mark.parametrize(("asked", "after", "sentence"), REMOVALS.values(), ids=REMOVALS)
MARKED = BOTH.replace(UPSCALE, f"age_restricted = true\n{UPSCALE}")


def results(bot: Harness, channel: Any = None) -> int:
    """Return how many files the channel's messages show."""
    return sum(len(message.attachments) for message in bot.messages(channel))


async def reload(bot: Harness, deployments: str) -> None:
    """Let the bot's owner change deployments.toml and read it again."""
    bot.runner.write_deployments(deployments)
    done = await owner(bot).slash(bot.channel, "reload")
    assert str(done.response.content).startswith("I have read the deployments again.")


@pytest.mark.bot(deployments=GPUS, max_concurrent_runs=1)
@removing
async def test_a_waiting_request_does_not_start_with_what_was_removed(
    bot: Harness, asked: dict[str, str], after: str, sentence: str
) -> None:
    await bot.ask(faults=HELD, **asked)
    await bot.ask(bot.bob, **asked)
    await reload(bot, after)
    await bot.release()
    await bot.later(minutes=1)
    assert len(bot.calls) == results(bot) == 1
    assert any(sentence in text_of(bot, message) for message in bot.messages())


@pytest.mark.bot(deployments=GPUS)
@removing
async def test_a_request_for_what_was_removed_is_not_approved(
    server: ModeratedServer, asked: dict[str, str], after: str, sentence: str
) -> None:
    await server.ask(**asked)
    await reload(server, after)
    pressed = await server.click(server.card, "Approve", server.mona)
    assert sentence in refusal(server, pressed)
    assert not server.calls


@pytest.mark.bot(deployments=BOTH)
async def test_a_result_from_before_the_mark_is_shared_only_in_a_marked_gallery(shares: Shares) -> None:
    bot = shares.bot
    await bot.made(**SMALL)
    await reload(bot, MARKED)
    started = await shares.start(bot.messages()[-1])
    await bot.play()
    assert results(bot, shares.gallery) == 0
    assert "age-restricted" in refusal(bot, started)
    mark_adult(bot, shares.gallery)
    await bot.later(seconds=10)
    await shares.share(bot.messages()[-1])
    assert results(bot, shares.gallery) == 1


@pytest.mark.bot(deployments=BOTH)
@pytest.mark.parametrize("made", ["a run", "a follow-up of an earlier result"])
async def test_what_was_under_way_at_the_mark_shows_nothing_in_an_unmarked_channel(
    bot: Harness, made: str
) -> None:
    if made == "a run":
        await bot.ask(faults=HELD, **SMALL)
    else:  # also if only the deployment that made its file is marked
        let_open(bot)
        message = await bot.made(**SMALL)
        bot.comfydeploy.next_faults(HELD)
        await bot.click(message, "Upscale")
    before = results(bot)
    await reload(bot, MARKED)
    await bot.release()
    assert results(bot) == before
    assert "It is age-restricted" in text_of(bot, bot.messages()[-1])
    mark_adult(bot, bot.channel)
    await bot.click(bot.messages()[-1], "Post it here")
    assert results(bot) == before + 1


async def test_a_result_from_before_a_restart_is_shown_at_once(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.later(seconds=5, times=35)
    (held,) = bot.comfydeploy.runs
    held.own_faults = Faults(webhook_drop=True)
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    await bot.restart()
    await bot.later(seconds=1, times=5)
    assert results(bot) == 1


async def test_deleting_ones_data_again_is_never_refused_and_writes_no_row(bot: Harness) -> None:
    await bot.ask()
    for _ in range(25):
        asked = await bot.alice.slash(bot.channel, "privacy delete")
        done = await bot.alice.click(asked.response, label="Delete my data")
        assert str(done.response.content).startswith("Deleted the contents of ")
    exported = await bot.alice.slash(bot.channel, "privacy export")
    (answer,) = exported.followups or [exported.response]
    lines = map(json.loads, (await answer.attachments[0].read()).splitlines())
    assert [line["action"] for line in lines if line["kind"] == "audit"].count("privacy") == 1


async def test_pressing_cancel_again_is_never_refused_and_writes_no_row(
    bot: Harness, mona: simcord.MemberActor
) -> None:
    asked = await bot.ask(faults=HELD)
    for _ in range(25):
        pressed = await bot.alice.click(asked.response.message, label="Cancel")
        assert not pressed.ephemeral
    await bot.play()
    listed = await mona.slash(bot.channel, "audit")
    _, rows = await csv_of(await mona.click(listed.response, label="CSV file"))
    assert [row["action"] for row in rows].count("Cancellation") == 1
