"""Buttons, forms and presets that meet a changed deployment, an unapproved request, or direct messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID, SLOW_ID
from tests.discord.actors import open_details, press_behind
from tests.discord.deployments import ADULT, ONE, described
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, mark_adult, set_rules
from tests.discord.presets import keep
from tests.discord.rendered import fields, refusal, text_of
from tests.harness import HELD, Harness
from tests.questions import insert_runs

pytestmark = pytest.mark.bot(deployments=ONE)

DROPPED = "These inputs didn't fit and were left out: "


async def test_again_takes_what_still_fits_and_says_what_was_left_out(bot: Harness) -> None:
    message = await bot.made(style="ink", gpu="L4", seed=7)
    await bot.restart(deployments=described(picture=SLOW_ID) + 'gpus = ["T4"]\n')
    again = await bot.alice.click(message, label="Again")
    assert not again.ephemeral
    (told,) = again.followups
    assert told.ephemeral
    assert told.content.startswith(DROPPED)
    assert "`style`" in told.content
    assert told.content.endswith("`gpu`.")
    await bot.play()
    sent = bot.calls[-1].body["inputs"]
    assert set(sent) == {"prompt", "seed"}
    assert sent["prompt"] == "a fox"
    assert sent["seed"] != 7


async def test_again_and_edit_leave_out_a_choice_that_is_gone(bot: Harness) -> None:
    message = await bot.made(style="ink")
    narrower = f'{ONE}[deployments.picture.inputs.style]\nchoices = ["photo", "neon"]\n'
    await bot.restart(deployments=narrower)
    again = await bot.alice.click(message, label="Again")
    assert [told.content for told in again.followups] == [f"{DROPPED}`style`."]
    await bot.play()
    assert bot.calls[-1].body["inputs"].get("style") != "ink"
    form = await bot.alice.click(message, label="Edit")
    sent = await bot.alice.submit_modal(form, {"prompt": "a wolf"})
    assert [told.content for told in sent.followups] == [f"{DROPPED}`style`."]


async def test_of_many_inputs_that_were_left_out_the_first_are_named(bot: Harness) -> None:
    message = await bot.made()
    old = {"prompt": "a fox"} | {f"{n:02}{'x' * 70}": 1 for n in range(60)}
    await keep(bot, bot.alice, "noir", deployment="picture", **old)
    await insert_runs(bot.database, replace(await bot.run(), key="a" * 16, index=1, inputs=old))
    again = await press(bot, bot.alice, message, f"run:{'a' * 16}:again")
    used = await bot.alice.slash(bot.channel, "preset use", name="noir")
    for (note,) in (again.followups, used.followups):
        assert [part[:2] for part in note.content.split("`")[1::2]] == [f"{n:02}" for n in range(15)]
        assert note.content.endswith("` and 45 more.")


async def test_a_deployment_under_another_name_is_found_again(bot: Harness) -> None:
    message = await bot.made(seed=7)
    await bot.restart(deployments=described(landscape=PICTURE_ID))
    await bot.click(message, "Again")
    assert [run.request.deployment for run in await bot.runs()] == ["picture", "landscape"]


@pytest.mark.bot(deployments=f"{ONE}concurrency_limit = 1\n")
async def test_waiting_runs_of_a_renamed_deployment_still_start_one_by_one(bot: Harness) -> None:
    await set_rules(bot, **NO_APPROVAL, budgets={"person": {"at_once": None, "waiting": None}})
    bot.comfydeploy.faults = HELD
    for _ in range(4):
        await bot.ask()
    renamed = described(slow=SLOW_ID, landscape=PICTURE_ID)
    await bot.restart(deployments=f"{renamed}concurrency_limit = 1\n")
    for done in range(1, 5):
        assert len(bot.calls) == done
        await bot.release()


async def test_a_deployment_that_is_gone_is_told_by_every_way(bot: Harness) -> None:
    message = await bot.made()
    await bot.alice.slash(bot.channel, "preset save", name="noir")
    more = await bot.alice.click(message, label="⋯ More")
    await bot.restart(deployments=described(slow=SLOW_ID))
    for refused in (
        await bot.alice.click(message, label="Again"),
        await bot.alice.click(message, label="Edit"),
        await bot.alice.slash(bot.channel, "preset use", name="noir"),
    ):
        assert refusal(bot, refused).startswith("That deployment isn't offered any more.")
    use = await bot.alice.click(more.response.message, label="Use as input")
    assert refusal(bot, use) == "None of the deployments here takes a picture."
    details = await open_details(message, bot.alice)
    assert "no command repeats this" in text_of(bot, details.response)
    assert len(bot.calls) == 1


async def test_a_deployment_that_is_removed_while_a_request_waits_is_not_started(
    server: ModeratedServer,
) -> None:
    await server.ask()
    await server.restart(deployments=described(slow=SLOW_ID))
    await server.decide("Approve")
    assert ((await server.run()).failure_code, len(server.calls)) == ("deployment_gone", 0)


async def test_an_approved_request_is_judged_at_todays_price(server: ModeratedServer) -> None:
    """The first would have fitted into the budget at the price of its request."""
    for _ in range(2):
        await server.ask(gpu="H100")
    first, second = server.cards()
    in_review = {"approval": {"mode": "everybody", "review_channel_id": server.review.id}}
    budget = {"person": {"gpu_seconds_a_day": 100}}
    await set_rules(server, **in_review, budgets={**budget, "gpu_weights": {"H100": 3}})
    refused = await server.click(first, "Approve", server.mona)
    assert "This needs about 180 GPU seconds" in refusal(server, refused)
    await set_rules(server, **in_review, budgets={**budget, "gpu_weights": {"H100": 1.5}})
    server.comfydeploy.next_faults(HELD)
    await server.click(second, "Approve", server.mona)
    assert refusal(server, await server.ask()).startswith(
        "This needs about 60 GPU seconds, and you have 10 of 100 left today."
    )


@pytest.mark.parametrize("minutes", [0, 5])
@pytest.mark.parametrize("channel_marked", [False, True])
async def test_a_mark_while_a_request_waits_applies_to_it(
    server: ModeratedServer, minutes: int, channel_marked: bool
) -> None:
    await server.ask()
    await server.restart(deployments=ADULT)
    mark_adult(server, server.channel, marked=channel_marked)
    await server.later(minutes=minutes)
    await server.decide("Approve")
    run = await server.run()
    if channel_marked:
        assert (run.state, len(server.calls)) == ("succeeded", 1)
    else:
        assert (run.failure_code, len(server.calls)) == ("age_restricted", 0)


async def test_before_its_approval_a_request_is_its_requesters_alone(
    server: ModeratedServer,
) -> None:
    await server.ask(prompt="a secret fox")
    run = await server.run()
    bobs, alices = [await own_answer(server, actor) for actor in (server.bob, server.alice)]
    for action in ("details", "edit", "use"):
        refused = await press(server, server.bob, bobs, f"run:{run.key}:{action}")
        assert refused.ephemeral
        assert "fox" not in text_of(server, refused.response)
    hidden = await press(server, server.bob, bobs, f"run:{run.key}:details")
    assert refusal(server, hidden) == (
        "Only the requester and the moderators can see this before it is approved."
    )
    own = await press(server, server.alice, alices, f"run:{run.key}:details")
    assert "a secret fox" in text_of(server, own.response)
    form = await press(server, server.alice, alices, f"run:{run.key}:edit")
    assert fields(form.modal)["prompt"]["value"] == "a secret fox"
    await server.reject("no")
    hidden = await press(server, server.bob, bobs, f"run:{run.key}:edit")
    assert "before it is approved" in refusal(server, hidden)


@pytest.mark.bot(allow_direct_messages=True)
async def test_every_button_works_in_direct_messages(bot: Harness) -> None:
    alice = bot.alice.user
    await alice.slash("generate", prompt="a fox", style="ink")
    await bot.play()
    (message,) = alice.dm_channel.history()
    await bot.restart()
    details = await press_behind(bot, message, "Details", alice)
    assert "/generate prompt:a fox" in text_of(bot, details.response)
    await alice.click(message, label="Again")
    form = await alice.click(message, label="Edit")
    await alice.submit_modal(form, {"prompt": "a wolf"})
    picture = await press_behind(bot, message, "Use as input", alice)
    bot.clock.move(seconds=1)
    await alice.submit_modal(picture, {"prompt": "a lion"})
    await alice.slash("preset save", name="noir")
    await alice.slash("preset use", name="noir")
    await bot.play()
    prompts = sorted(call.body["inputs"]["prompt"] for call in bot.calls)
    assert prompts == ["a fox", "a fox", "a lion", "a lion", "a wolf"]
    assert {run.request.guild_id for run in await bot.runs()} == {None}
    listed = await alice.slash("runs")
    assert "https://discord.com/channels/@me/" in text_of(bot, listed.response)
