"""What the operator or a moderator has changed applies to requests, results and forms from before."""

from __future__ import annotations

from typing import Any

import pytest

from demo.fake_comfydeploy.deployments import UPSCALE_ID
from tests.defects.seen import given, results
from tests.discord.actors import member, owner
from tests.discord.deliveries import close_answer, close_channel
from tests.discord.deployments import ONE
from tests.discord.follow_ups import BOTH, SMALL, UPSCALE, let_open
from tests.discord.moderated_server import ModeratedServer, mark_adult
from tests.discord.rendered import buttons_of, refusal, text_of
from tests.discord.settings_panel import Panel, shown_in
from tests.discord.shares import Shares
from tests.discord.user_install import OWN_ACCOUNT, elsewhere
from tests.harness import HELD, Harness

BEFORE = f'{ONE}gpus = ["A10G", "H100"]\n'
STYLES = '[deployments.picture.inputs.style]\nchoices = ["photo", "neon"]\n'
SIZES = "sizes.choices = { square = [512, 512], tall = [512, 1024] }\n"
# What is asked for, and the deployments.toml that no longer offers it.
REMOVALS = {
    "a GPU": ({"gpu": "H100"}, BEFORE.replace(', "H100"', "")),
    "a choice": ({"style": "ink"}, f"{BEFORE}{STYLES}"),
}
SENTENCES = {
    "a GPU": "H100 isn't offered any more. Please start this again with another GPU.",
    "a choice": "`style` has changed since this request, so nothing was started. Please start it again.",
}
removing = pytest.mark.parametrize("removed", REMOVALS)

MARKED = BOTH.replace(UPSCALE, f"age_restricted = true\n{UPSCALE}")


async def reload(bot: Harness, deployments: str) -> None:
    """Let the bot's owner change deployments.toml and read it again."""
    bot.runner.write_deployments(deployments)
    done = await owner(bot).slash(bot.channel, "reload")
    assert str(done.response.content).startswith("I have read the deployments again.")


def with_removed(bot: Harness, asked: dict[str, str]) -> int:
    """Count the queue calls with the GPU or the choice that `asked` names."""
    sent = [{"gpu": call.body.get("gpu"), **call.body["inputs"]} for call in bot.calls]
    return sum(asked.items() <= each.items() for each in sent)


@pytest.mark.bot(deployments=BEFORE, max_concurrent_runs=1)
@removing
async def test_a_waiting_request_does_not_start_with_what_was_removed(bot: Harness, removed: str) -> None:
    asked, after = REMOVALS[removed]
    with given():
        await bot.ask(faults=HELD, **asked)
        await bot.ask(bot.bob, **asked)
        assert with_removed(bot, asked) == len(bot.calls) == 1
        assert "### Up next: " in text_of(bot, bot.messages()[-1])
        await reload(bot, after)
        await bot.release()
        await bot.later(minutes=1)
        assert results(bot) >= 1
        assert not any("Cancel" in buttons_of(bot, message) for message in bot.messages())
    assert with_removed(bot, asked) == 1
    assert any(SENTENCES[removed] in text_of(bot, message) for message in bot.messages())


@pytest.mark.bot(deployments=BEFORE)
@removing
async def test_an_approved_request_does_not_start_with_what_was_removed(
    server: ModeratedServer, removed: str
) -> None:
    asked, after = REMOVALS[removed]
    with given():
        for _ in range(2):
            await server.ask(**asked)
        first, second = server.cards()
        await server.click(first, "Approve", server.mona)
        assert with_removed(server, asked) == results(server) == 1
        await reload(server, after)
    pressed = await server.click(second, "Approve", server.mona)
    assert SENTENCES[removed] in refusal(server, pressed)
    await server.later(minutes=1)
    assert with_removed(server, asked) == 1


@pytest.mark.bot(deployments=BOTH)
async def test_a_result_from_before_the_mark_is_shared_only_in_a_marked_gallery(shares: Shares) -> None:
    bot = shares.bot
    with given():
        await shares.share(await bot.made(**SMALL))
        assert results(bot, shares.gallery) == 1
        await bot.made(**SMALL)
        await reload(bot, MARKED)
    started = await shares.start(bot.messages()[-1])
    await bot.play()
    assert results(bot, shares.gallery) == 1
    assert "age-restricted" in refusal(bot, started)
    mark_adult(bot, shares.gallery)
    await bot.later(seconds=10)
    await shares.share(bot.messages()[-1])
    assert results(bot, shares.gallery) == 2


@pytest.mark.bot(deployments=BOTH)
async def test_a_follow_up_of_a_result_from_before_the_mark_runs_only_in_a_marked_channel(
    bot: Harness,
) -> None:
    let_open(bot)
    with given():
        message = await bot.made(**SMALL)
        await bot.click(message, "Upscale")
        assert upscaled(bot) == 1
        await reload(bot, MARKED)
    await bot.later(seconds=10)
    refused = await bot.click(message, "Upscale")
    assert upscaled(bot) == 1
    assert "age-restricted" in refusal(bot, refused)
    mark_adult(bot, bot.channel)
    await bot.later(seconds=10)
    await bot.click(message, "Upscale")
    assert upscaled(bot) == 2


@pytest.mark.bot(deployments=BOTH)
async def test_what_was_made_from_a_file_obeys_the_mark_of_the_deployment_that_made_the_file(
    bot: Harness,
) -> None:
    """Also if only the first of a chain of deployments is marked, and later than all were used."""
    let_open(bot)
    with given():
        message = await bot.made(**SMALL)
        bot.comfydeploy.next_faults(HELD)
        await bot.click(message, "Upscale")
        assert upscaled(bot) == 1
        await reload(bot, MARKED)
        await bot.release()
    assert results(bot) == 1
    assert "It is age-restricted" in text_of(bot, bot.messages()[-1])


@pytest.mark.bot(deployments=f"{ONE}{SIZES}", max_concurrent_runs=1)
async def test_a_waiting_request_with_a_renamed_size_still_starts(bot: Harness) -> None:
    with given():
        await bot.ask(faults=HELD)
        await bot.ask(bot.bob, size="tall")
        await reload(bot, f"{ONE}{SIZES.replace('tall', 'portrait')}")
        await bot.release()
    assert len(bot.calls) == 2
    assert bot.calls[-1].body["inputs"]["height"] == 1024
    assert results(bot) == 2


def upscaled(bot: Harness) -> int:
    return sum(call.body["deployment_id"] == UPSCALE_ID for call in bot.calls)


async def mark_during_a_run(bot: Harness) -> None:
    """Mark the deployment as age-restricted while a run is under way, after an earlier result."""
    with given():
        await bot.ask(**SMALL)
        assert results(bot) == 1
        await bot.ask(faults=HELD, **SMALL)
        await reload(bot, MARKED)


@pytest.mark.bot(deployments=BOTH)
async def test_a_run_that_was_under_way_at_the_mark_shows_nothing_in_an_unmarked_channel(
    bot: Harness,
) -> None:
    await mark_during_a_run(bot)
    with given():
        await bot.release()
        assert len(bot.messages()) == 2
    assert results(bot) == 1
    assert "It is age-restricted" in text_of(bot, bot.messages()[-1])
    mark_adult(bot, bot.channel)
    await bot.click(bot.messages()[-1], "Post it here")
    assert results(bot) == 2


@pytest.mark.bot(deployments=BOTH)
async def test_a_run_that_was_under_way_at_the_mark_is_not_sent_by_direct_message(bot: Harness) -> None:
    await mark_during_a_run(bot)
    close_channel(bot)
    close_answer(bot)
    with given():
        await bot.release()
        letters = bot.alice.user.dm_channel.history()
        assert len(letters) >= 1
    assert [letter.attachments for letter in letters] == [[]] * len(letters)
    assert "It is age-restricted" in text_of(bot, letters[-1])


@pytest.mark.bot(**OWN_ACCOUNT, deployments=ONE)
async def test_a_run_that_was_under_way_at_the_mark_shows_nothing_where_only_interactions_can(
    bot: Harness,
) -> None:
    """The bot can't read such a channel, so the mark that `/runs` was used under is remembered."""
    with given():
        bot.comfydeploy.next_faults(HELD)
        with elsewhere(bot, "foreign server"):
            asked = await bot.alice.user.slash("generate", prompt="a fox")
        await bot.play()
        await reload(bot, f"{ONE}age_restricted = true\n")
        await bot.release()
    assert "It is age-restricted" in text_of(bot, asked.response)
    shown = []
    for marked in (False, True):
        with elsewhere(bot, "foreign server", nsfw=marked):
            listed = (await bot.alice.user.slash("runs", state="undelivered")).response
            chosen = await bot.alice.user.click(listed, label="Post it here")
            if not marked:
                assert "This result is age-restricted" in refusal(bot, chosen)
        await bot.play()
        shown += [message for message in bot.alice.user.dm_channel.history() if message.attachments]
    assert len(shown) == 1


def trusted(form: Any) -> list[str]:
    """Return the roles that a form shows as not waiting for approval."""
    return shown_in(form)["exempt_roles"]


@pytest.mark.bot(rules={"approval": {"mode": "without_roles"}})
async def test_a_stale_panel_does_not_undo_another_moderators_decision(server: ModeratedServer) -> None:
    old, new = server.guild.create_role("old"), server.guild.create_role("new")
    pat = member(server, "pat", old)
    mona, theo = Panel(server, "maria"), Panel(server, "theo")
    with given():
        await mona.set("approval", exempt_roles=[old])
        assert not (await server.ask(pat)).ephemeral
        await mona.open()
        await theo.open()
        monas, theos = await mona.change("approval"), await theo.change("approval")
        assert trusted(monas) == trusted(theos) == [str(old.id)]
        await theo.fill(theos, exempt_roles=[])
    # Discord sends everything that is chosen: what mona's form still shows, and what she adds.
    await mona.fill(monas, exempt_roles=[old, new])
    await theo.open()
    assert str(old.id) not in trusted(await theo.change("approval"))
    assert (await server.ask(pat)).ephemeral
    assert len(server.cards()) == 1
