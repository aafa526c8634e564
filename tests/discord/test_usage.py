"""`/usage`: what is used, what is left and when it returns, for oneself and for moderators."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.rules import Budget, Budgets, RoleBudget, ServerRules
from bot.store.blocks import BlockStore
from bot.store.server_rules import RuleStore
from demo.standin.faults import Faults
from tests.discord.crowd import call, moderator
from tests.discord.seen import pinged, refusal, text_of
from tests.stage import Stage, stage

BUDGETS = Budgets(
    person=Budget(at_once=2, waiting=5, runs_a_day=4, gpu_seconds_a_day=600),
    server=Budget(at_once=9, waiting=None, runs_a_day=50, gpu_seconds_a_day=None),
)


async def ruled(s: Stage, budgets: Budgets = BUDGETS) -> None:
    await RuleStore(s.app.store.database).change(
        s.guild.id, 1, lambda _: ServerRules(budgets=budgets), s.clock(), "budgets"
    )


async def lines(s: Stage, actor: Any, /, **options: Any) -> list[str]:
    result = await actor.slash(s.channel, "usage", **options)
    assert result.ephemeral
    return text_of(s, result.response).splitlines()


def midnight(s: Stage) -> int:
    start = s.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    return int((start + timedelta(days=1)).timestamp())


async def test_one_sees_what_is_used_what_is_left_and_when_it_returns(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s)
        assert (await lines(s, s.alice))[:5] == [
            "### Your usage today",
            "Runs: 0 of 4, 4 left",
            "GPU seconds: 0 of 600, 600 left",
            "Running: 0 of 2 at once",
            "Waiting: 0 of 5",
        ]
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.bob.slash(s.channel, "generate", prompt="a hare")
        await s.restart()
        assert await lines(s, s.alice) == [
            "### Your usage today",
            "Runs: 1 of 4, 3 left",
            "GPU seconds: 60 of 600, 540 left",
            "Running: 1 of 2 at once",
            "Waiting: 0 of 5",
            f"-# Runs and GPU seconds return <t:{midnight(s)}:R>. What still runs is estimated.",
        ]
        assert "Waiting: 1 of 5" in await lines(s, s.bob)
        assert pinged(s) == []


async def test_a_finished_run_counts_what_it_really_took_and_the_next_day_begins_afresh(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as s:
        await ruled(s)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        run = await s.run()
        assert run.run_duration is not None
        took = round(run.run_duration)
        assert f"GPU seconds: {took} of 600, {600 - took} left" in await lines(s, s.alice)
        s.clock.move(days=1)
        assert "Runs: 0 of 4, 4 left" in await lines(s, s.alice)


async def test_no_limit_is_told_as_none(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        role = s.guild.create_role("patrons")
        await ruled(s, Budgets(person=BUDGETS.person, roles={role.id: RoleBudget(unlimited=True)}))
        pat = s.guild.add_member(s.env.create_user("pat"), roles=[role])
        assert (await lines(s, pat))[1:5] == ["Runs: 0", "GPU seconds: 0", "Running: 0", "Waiting: 0"]


async def test_directly_one_is_told_the_limits_that_hold_there(tmp_path: Path) -> None:
    async with stage(tmp_path, allow_direct_messages=True) as s:
        for _ in range(10):
            await s.alice.user.slash("generate", prompt="a fox")
        refused = await s.alice.user.slash("generate", prompt="a fox")
        assert refusal(s, refused).startswith("You already have 10 requests waiting.")
        shown = text_of(s, (await s.alice.user.slash("usage")).response).splitlines()
        assert shown[3:5] == ["Running: 0 of 3 at once", "Waiting: 10 of 10"]


async def test_a_moderator_sees_others_and_the_server_and_a_stranger_does_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s)
        mona = moderator(s)
        for person in (s.alice, s.bob):
            await person.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        seen = await lines(s, mona, person=s.bob)
        assert seen[:2] == [f"### Usage of <@{s.bob.id}> today", "Runs: 1 of 4, 3 left"]
        assert seen[5:7] == ["### The whole server today", "Runs: 2 of 50, 48 left"]
        assert "### The whole server today" not in await lines(s, s.alice)
        assert (await lines(s, s.alice, person=s.alice))[0] == "### Your usage today"
        refused = await s.alice.slash(s.channel, "usage", person=s.bob)
        assert refusal(s, refused) == "Only this server's moderators can do that."


async def test_who_is_blocked_or_left_is_told_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        await mona.slash(s.channel, "block", user=s.bob, reason="spam", duration="day")
        (block,) = await BlockStore(s.app.store.database).list(s.guild.id, s.clock(), limit=2)
        assert block.until is not None
        told = f"Blocked on this server until <t:{int(block.until.timestamp())}:f>."
        assert told in await lines(s, s.bob)
        gone = {"id": "7", "username": "gone", "discriminator": "0", "avatar": None, "global_name": None}
        result = await call(
            s, mona, "usage", [{"name": "person", "type": 6, "value": "7"}], {"users": {"7": gone}}
        )
        assert text_of(s, result.response).startswith("### Usage of <@7> today\nRuns: 0")
