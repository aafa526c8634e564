"""Budgets as people meet them: at once, waiting, a day, GPU seconds, by role, for the server."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.requests import Member, Origin, Requester
from bot.domain.runs import IN_FLIGHT, RunState
from demo.fake_comfydeploy.deployments import FAILS_ID, PICTURE_ID, VARIATIONS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.deployments import described
from tests.discord.moderated_server import midnight, set_rules
from tests.discord.rendered import refusal, text_of
from tests.harness import HELD, Harness


@pytest.mark.bot(deployments=described(picture=PICTURE_ID, variations=VARIATIONS_ID))
async def test_three_run_ten_more_wait_with_their_place_and_the_next_is_refused(bot: Harness) -> None:
    bot.comfydeploy.next_faults(*[HELD] * 20)
    names = ("generate picture", "generate variations")
    answers = [await bot.ask(command=names[number % 2]) for number in range(13)]
    assert len(bot.calls) == 3
    assert (await bot.states()).count(RunState.WAITING) == 10
    await bot.later(seconds=30)
    assert "Next in the queue" in text_of(bot, answers[3].response)
    assert "Number 5 in the queue" in text_of(bot, answers[12].response)
    told = "You already have 10 requests waiting. Please let one finish, or cancel one."
    assert refusal(bot, await bot.ask(command=names[0])) == told
    await bot.restart()
    assert refusal(bot, await bot.ask(command=names[1])) == told
    assert not (await bot.ask(bot.bob, command=names[1])).ephemeral
    assert len(bot.calls) == 4
    await bot.click(answers[12].response.message, "Cancel")
    assert not (await bot.ask(command=names[0])).ephemeral


async def test_runs_a_day_return_at_midnight_and_are_counted_over_restarts(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"runs_a_day": 2}})
    for _ in range(2):
        await bot.ask()
    await bot.restart()
    refused = refusal(bot, await bot.ask())
    assert refused == f"You have used your 2 runs for today. Resets {midnight(bot)}."
    assert not (await bot.ask(bot.bob)).ephemeral
    bot.clock.move(days=1)
    assert not (await bot.ask()).ephemeral


@pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)
async def test_a_run_of_which_nothing_came_is_given_back(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    for _ in range(3):
        assert not (await bot.ask()).ephemeral
    assert await bot.states() == [RunState.FAILED] * 3


async def test_seconds_are_set_aside_and_then_settled_with_what_it_really_took(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"gpu_seconds_a_day": 100}, "gpu_weights": {"H100": 1.5}})
    bot.comfydeploy.next_faults(HELD)
    await bot.ask(gpu="H100")
    refused = refusal(bot, await bot.ask())
    assert refused == (
        f"This needs about 60 GPU seconds, and you have 10 of 100 left today. Resets {midnight(bot)}."
    )
    await bot.release()
    await bot.later(seconds=10)
    run = await bot.run()
    assert run.gpu_used is not None
    assert run.run_duration is not None
    assert run.charged_seconds == pytest.approx(run.run_duration * 1.5)
    assert not (await bot.ask()).ephemeral


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_what_failed_or_was_cancelled_is_settled_as_well(bot: Harness, end: str) -> None:
    bot.comfydeploy.next_faults(HELD if end == "cancelled" else Faults(ends_as="failed"))
    answer = await bot.ask(gpu="L4")
    if end == "cancelled":
        bot.clock.move(seconds=20)
        await bot.click(answer.response.message, "Cancel")
    await bot.later(seconds=10)
    run = await bot.run()
    assert run.state.value == end
    assert run.charged_seconds == run.run_duration
    assert run.gpu_used == "L4"


async def test_roles_give_more_less_or_everything(bot: Harness) -> None:
    names = ("more", "less", "free")
    roles = {name: bot.guild.create_role(name) for name in names}
    people = {n: bot.guild.add_member(bot.env.create_user(n), roles=[roles[n]]) for n in names}
    budgets = {
        roles["more"].id: {"runs_a_day": 3},
        roles["less"].id: {"runs_a_day": 1},
        roles["free"].id: {"unlimited": True},
    }
    await set_rules(bot, budgets={"person": {"runs_a_day": 2}, "roles": budgets})
    accepted = {}
    for name, person in (*people.items(), ("plain", bot.bob)):
        answers = [await bot.ask(person) for _ in range(4)]
        accepted[name] = sum(not answer.ephemeral for answer in answers)
        for answer in answers[accepted[name] :]:
            assert refusal(bot, answer).startswith(f"You have used your {accepted[name]} runs")
    assert accepted == {"more": 3, "less": 1, "free": 4, "plain": 2}


async def test_a_servers_budget_is_shared_by_all_its_people(bot: Harness) -> None:
    await set_rules(bot, budgets={"server": {"at_once": 1, "waiting": 2, "runs_a_day": 4}})
    bot.comfydeploy.next_faults(*[HELD] * 3)
    people = [bot.guild.add_member(bot.env.create_user(f"p{n}")) for n in range(4)]
    answers = [await bot.ask(person) for person in people]
    assert len(bot.calls) == 1
    told = "This server already has 2 requests waiting. Please try again soon."
    assert refusal(bot, answers[-1]) == told
    for _ in range(3):
        await bot.release()
    assert not (await bot.ask(people[3])).ephemeral
    refused = refusal(bot, await bot.ask(bot.bob))
    assert refused == f"This server has used its 4 runs for today. Resets {midnight(bot)}."


async def test_a_hundred_presses_at_once_never_pass_a_budget_of_ten(bot: Harness) -> None:
    budgets = {
        "person": {"runs_a_day": 10, "at_once": None, "waiting": None},
        "server": {"at_once": None, "waiting": None},
    }
    await set_rules(bot, budgets=budgets)
    generation = bot.app.bot.services.generation

    async def press(number: int) -> None:
        run = await generation.generate("default", {"prompt": "a fox"}, _asker(bot))
        await generation.confirm_answer(run.key, number)

    await asyncio.gather(*(press(number) for number in range(1, 101)), return_exceptions=True)
    await bot.later(seconds=10)
    assert len(await bot.runs()) == 10
    assert len(bot.calls) == 10
    assert not set(await bot.states()) & IN_FLIGHT


def _asker(bot: Harness) -> Requester:
    return Requester(
        person=Member(id=bot.alice.id, created_at=bot.clock()),
        origin=Origin(
            guild_id=bot.guild.id,
            channel_id=bot.channel.id,
            application_id=1,
            interaction_token="t",
            interaction_expires_at=bot.clock(),
            upload_limit=10 << 20,
        ),
        channel_ids=frozenset({bot.channel.id}),
        can_post=lambda _: True,
    )
