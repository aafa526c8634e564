"""Budgets, roles and ages, as the person meets them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.runs import RunState
from demo.standin.faults import Faults
from tests.discord.moderated import set_rules
from tests.discord.seen import refusal
from tests.stage import Stage, stage


async def ask(s: Stage, **options: object) -> object:
    return await s.alice.slash(s.channel, "generate", prompt="a fox", **options)


async def test_runs_a_day_are_counted_and_given_back_when_nothing_came(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await set_rules(s, budgets={"person": {"runs_a_day": 1}})
        s.standin.next_faults(Faults(ends_as="failed"))
        await ask(s)
        await s.play()
        await ask(s)
        await s.play()
        await s.restart()
        refused = refusal(s, await ask(s))
        assert "You have used your 1 runs for today. They return <t:" in refused
        assert sorted(run.state for run in await s.runs()) == [RunState.FAILED, RunState.SUCCEEDED]
        await s.later(days=1)
        await ask(s)
        await s.play()
        assert len(s.calls) == 3


async def test_a_second_counts_by_the_weight_of_its_gpu(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        budgets = {"person": {"gpu_seconds_a_day": 100}, "gpu_weights": {"H100": 4}}
        await set_rules(s, budgets=budgets)
        refused = refusal(s, await ask(s, gpu="H100"))
        assert "This needs about 240 GPU seconds, and 100 of your 100 are left today." in refused
        await ask(s, gpu="T4")
        await s.play()
        assert len(s.calls) == 1


async def test_a_role_may_have_more_or_no_limit_at_all(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        fan, staff = s.guild.create_role("fan"), s.guild.create_role("staff")
        people = {
            role: s.guild.add_member(s.env.create_user(role.name), roles=[role]) for role in (fan, staff)
        }
        roles = {fan.id: {"runs_a_day": 2}, staff.id: {"unlimited": True}}
        await set_rules(s, budgets={"person": {"runs_a_day": 1}, "roles": roles})
        for person, allowed in ((s.alice, 1), (people[fan], 2), (people[staff], 4)):
            for _ in range(allowed):
                await person.slash(s.channel, "generate", prompt="a fox")
                await s.play()
        assert len(s.calls) == 7
        for person in (s.alice, people[fan]):
            assert "runs for today" in refusal(s, await person.slash(s.channel, "generate", prompt="more"))


async def test_more_at_once_wait_and_too_many_waiting_are_refused(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await set_rules(s, budgets={"person": {"at_once": 1, "waiting": 2}})
        s.standin.faults = Faults(hold_at="running")
        await ask(s)
        await s.play()
        for _ in range(2):
            await ask(s)
        await s.play()
        states = [run.state for run in await s.runs()]
        assert states.count(RunState.RUNNING) == 1
        assert states.count(RunState.WAITING) == 2
        assert "You already have 2 requests waiting." in refusal(s, await ask(s))
        assert len(s.calls) == 1


async def test_a_hundred_at_once_never_exceed_ten(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await set_rules(s, budgets={"person": {"runs_a_day": 10, "waiting": None}})
        for _ in range(100):
            await ask(s)
        await asyncio.sleep(0)
        assert len(await s.runs()) == 10
        assert len(s.env.errors) == 90


async def test_gpus_and_deployments_belong_to_roles(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        role = s.guild.create_role("members")
        carol = s.guild.add_member(s.env.create_user("carol"), roles=[role])
        await set_rules(s, gpu_roles={"H100": [role.id]})
        assert "Your roles don't include H100." in refusal(s, await ask(s, gpu="H100"))
        await carol.slash(s.channel, "generate", prompt="an owl", gpu="H100")
        await set_rules(s, deployment_roles={"default": [role.id]}, gpu_roles={})
        assert "Your roles don't include this deployment." in refusal(s, await ask(s))
        await s.play()
        assert len(s.calls) == 1


async def test_young_accounts_and_new_members_are_told_when(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await set_rules(s, people={"account_days": 30})
        assert "This server asks for accounts older than 30 days." in refusal(s, await ask(s))
        await set_rules(s, people={"member_days": 7})
        assert "This server asks for 7 days of membership." in refusal(s, await ask(s))
        assert s.calls == []
