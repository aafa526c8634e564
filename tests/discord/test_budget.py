"""Budgets as people meet them: at once, waiting, a day, GPU seconds, by role, for the server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.asker import Asker
from bot.rules.people import Person
from bot.runs import IN_FLIGHT, RunState
from bot.runs.request import Origin
from demo.standin.deployments import FAILS_ID, PICTURE_ID, VARIATIONS_ID
from demo.standin.faults import Faults
from tests.discord.court import ruled
from tests.discord.seen import refusal, text_of
from tests.stage import Stage, stage

TWO = (
    f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
    f'[deployments.variations]\ndeployment_id = "{VARIATIONS_ID}"\n'
)
HELD = Faults(hold_at="running")


async def ask(s: Stage, actor: Any = None, name: str = "generate", **options: Any) -> Any:
    s.clock.move(milliseconds=1)
    result = await (actor or s.alice).slash(s.channel, name, prompt="a fox", **options)
    await s.play()
    return result


def midnight(s: Stage) -> str:
    start = s.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    return f"<t:{int((start + timedelta(days=1)).timestamp())}:R>"


async def test_three_run_ten_more_wait_with_their_place_and_the_next_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=TWO) as s:
        s.standin.next_faults(*[HELD] * 20)
        names = ("generate picture", "generate variations")
        answers = [await ask(s, name=names[number % 2]) for number in range(13)]
        assert len(s.calls) == 3
        assert (await s.states()).count(RunState.WAITING) == 10
        await s.later(seconds=30)
        assert "Next in the queue" in text_of(s, answers[3].response)
        assert "Number 5 in the queue" in text_of(s, answers[12].response)
        told = "You already have 10 requests waiting. Please let one finish, or cancel one."
        assert refusal(s, await ask(s, name=names[0])) == told
        await s.restart()
        assert refusal(s, await ask(s, name=names[1])) == told
        assert not (await ask(s, s.bob, names[1])).ephemeral
        assert len(s.calls) == 4
        await s.alice.click(answers[12].response.message, label="Cancel")
        await s.play()
        assert not (await ask(s, name=names[0])).ephemeral


async def test_runs_a_day_return_at_midnight_and_are_counted_over_restarts(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, budgets={"person": {"runs_a_day": 2}})
        for _ in range(2):
            await ask(s)
        await s.restart()
        refused = refusal(s, await ask(s))
        assert refused == f"You have used your 2 runs for today. They return {midnight(s)}."
        assert not (await ask(s, s.bob)).ephemeral
        s.clock.move(days=1)
        assert not (await ask(s)).ephemeral


async def test_a_run_of_which_nothing_came_is_given_back(tmp_path: Path) -> None:
    async with stage(tmp_path, comfydeploy_deployment_id=FAILS_ID) as s:
        await ruled(s, budgets={"person": {"runs_a_day": 1}})
        for _ in range(3):
            assert not (await ask(s)).ephemeral
        assert await s.states() == [RunState.FAILED] * 3


async def test_seconds_are_set_aside_and_then_settled_with_what_it_really_took(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, budgets={"person": {"gpu_seconds_a_day": 100}, "gpu_weights": {"H100": 1.5}})
        s.standin.next_faults(HELD)
        await ask(s, gpu="H100")
        refused = refusal(s, await ask(s))
        assert refused == (
            f"This needs about 60 GPU seconds, and 10 of your 100 are left today. They return {midnight(s)}."
        )
        s.standin.release()
        await s.play()
        await s.later(seconds=10)
        run = await s.run()
        assert run.gpu_used is not None
        assert run.run_duration is not None
        assert run.charged_seconds == pytest.approx(run.run_duration * 1.5)
        assert not (await ask(s)).ephemeral


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_what_failed_or_was_cancelled_is_settled_as_well(tmp_path: Path, end: str) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(HELD if end == "cancelled" else Faults(ends_as="failed"))
        answer = await ask(s, gpu="L4")
        if end == "cancelled":
            s.clock.move(seconds=20)
            await s.alice.click(answer.response.message, label="Cancel")
            await s.play()
        await s.later(seconds=10)
        run = await s.run()
        assert run.state.value == end
        assert run.charged_seconds == run.run_duration
        assert run.gpu_used == "L4"


async def test_roles_give_more_less_or_everything(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        names = ("more", "less", "free")
        roles = {name: s.guild.create_role(name) for name in names}
        people = {n: s.guild.add_member(s.env.create_user(n), roles=[roles[n]]) for n in names}
        budgets = {
            roles["more"].id: {"runs_a_day": 3},
            roles["less"].id: {"runs_a_day": 1},
            roles["free"].id: {"unlimited": True},
        }
        await ruled(s, budgets={"person": {"runs_a_day": 2}, "roles": budgets})
        accepted = {}
        for name, person in (*people.items(), ("plain", s.bob)):
            answers = [await ask(s, person) for _ in range(4)]
            accepted[name] = sum(not answer.ephemeral for answer in answers)
            for answer in answers[accepted[name] :]:
                assert refusal(s, answer).startswith(f"You have used your {accepted[name]} runs")
        assert accepted == {"more": 3, "less": 1, "free": 4, "plain": 2}


async def test_a_servers_budget_is_shared_by_all_its_people(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, budgets={"server": {"at_once": 1, "waiting": 2, "runs_a_day": 4}})
        s.standin.next_faults(*[HELD] * 3)
        people = [s.guild.add_member(s.env.create_user(f"p{n}")) for n in range(4)]
        answers = [await ask(s, person) for person in people]
        assert len(s.calls) == 1
        told = "This server already has 2 requests waiting. Please try again soon."
        assert refusal(s, answers[-1]) == told
        for _ in range(3):
            s.standin.release()
            await s.play()
        assert not (await ask(s, people[3])).ephemeral
        refused = refusal(s, await ask(s, s.bob))
        assert refused == f"This server has used its 4 runs for today. They return {midnight(s)}."


async def test_a_hundred_presses_at_once_never_pass_a_budget_of_ten(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        budgets = {
            "person": {"runs_a_day": 10, "at_once": None, "waiting": None},
            "server": {"at_once": None, "waiting": None},
        }
        await ruled(s, budgets=budgets)
        await asyncio.gather(
            *(s.app.bot.desk.generate("default", {"prompt": "a fox"}, _asker(s)) for _ in range(100)),
            return_exceptions=True,
        )
        await s.later(seconds=10)
        assert len(await s.runs()) == 10
        assert len(s.calls) == 10
        assert not set(await s.states()) & IN_FLIGHT


def _asker(s: Stage) -> Asker:
    return Asker(
        person=Person(id=s.alice.id, created_at=s.clock()),
        origin=Origin(
            guild_id=s.guild.id,
            channel_id=s.channel.id,
            application_id=1,
            interaction_token="t",
            interaction_expires_at=s.clock(),
            upload_limit=10 << 20,
        ),
        channel_ids=frozenset({s.channel.id}),
        can_post=lambda _: True,
    )
