"""Actions: faults and outages of Discord, its gateway, ComfyDeploy, its runs and the picture checker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from demo.fake_comfydeploy.faults import CHAOS
from demo.picture_check import Mood
from tests.chaos.faults import ROUTES, RUN_FAULTS
from tests.fakediscord.faults import Effect, Fault, Rule
from tests.simulation.steps import Draw, action
from tests.simulation.story import Story


def jump(story: Story, seconds: float) -> None:
    """Advance all clocks; overdue timers run afterwards.

    Only while a process runs could a call be repeated with its nonce after the jump.
    """
    if story.world.running:
        story.discord.messages_service.keep_nonces_in_use(seconds)
    story.world.loop.jump(seconds)
    story.strike(f"all clocks jump by {seconds:g} s")


def watch(story: Story, route: str, act: Callable[[Any], object]) -> Rule:
    """Call a function with the parameters of each call of a route to Discord, from now on."""

    def called(parameters: Any) -> bool:
        act(parameters)
        return False

    return story.discord.faults.add(route, Fault.drop_before(), times=None, where=called)


@action("discord", weight=6)
async def discord_fault(story: Story, draw: Draw) -> None:
    """Let the next calls of a route fail."""
    route, times = draw(route=ROUTES, times=(1, 1, 1, 2, 3))
    effect, status = draw(effect=[*map(str, Effect)], status=(500, 502, 503))
    after, seconds = draw(after=0.6, seconds=lambda chance: round(chance.uniform(0.2, 8), 2))
    after = after and effect != Effect.RATE_LIMIT  # Discord executes no request that it answers so
    fault = Fault(Effect(effect), status=status, seconds=seconds, after=after)
    story.discord.faults.add(route, fault, times=times)
    told = f"{effect} after it" if after else effect
    story.strike(f"Discord: the next {times} of {route}: {told}, {status}, {seconds} s")


def leave(story: Story, party: str, seconds: float, refuses: bool = True) -> None:
    """Let every call to a service fail for some seconds. Discord answers 503 only if it `refuses`."""
    faults, plan = story.discord.faults, story.world.comfydeploy.world.plan
    rules = []
    if party in ("Discord", "both"):
        rules.append(faults.add("*", Fault.answer(503) if refuses else Fault.drop_before(), times=None))
    plan.away = party in ("ComfyDeploy", "both")
    story.strike(f"{party} is away for {seconds:g} s")

    def back() -> None:
        for rule in rules:
            faults.remove(rule)
        plan.away = False
        story.strike(f"{party} is back")

    story.world.loop.call_later(seconds, back)


@action("outage")
async def long_outage(story: Story, draw: Draw) -> None:
    """Let services be away for hours, which pass in jumps; the bot runs for a second after each."""
    party, hours, jumps = draw(
        party=("Discord", "Discord", "ComfyDeploy", "both"), hours=(0.2, 1, 6, 12, 30), jumps=(1, 3, 8)
    )
    leave(story, party, hours * 3600 + jumps)
    story.strike(f"{party} is away for {hours} h")
    for _ in range(jumps):
        jump(story, hours * 3600 / jumps)
        await asyncio.sleep(1.0)
    await asyncio.sleep(0.1)


def _mixed(chance: random.Random) -> dict[str, Any]:
    mixed: dict[str, Any] = {}
    for name, faults in CHAOS.items():
        if chance.random() < 0.15 and name != "other_dialect":
            mixed |= faults.model_dump(exclude_defaults=True)
    return mixed


@action("run")
async def run_fault(story: Story, draw: Draw) -> None:
    """Set faults for the next queue call and its run."""
    kind, mixed = draw(kind=(*[None] * 8, *RUN_FAULTS), mixed=_mixed)
    faults = RUN_FAULTS[kind].model_dump(exclude_defaults=True) if kind else mixed
    story.world.next_faults(faults)
    story.strike(f"the next run: {faults}")


def set_mood(story: Story, seconds: float, mood: str) -> None:
    """Let the picture checker misbehave for some seconds."""
    checker = story.world.checker
    checker.mood = Mood(mood)
    story.strike(f"the checker: {mood} for {seconds} s")

    def recover() -> None:
        checker.mood = Mood.WELL
        story.world.note("trouble", "the checker is well")

    story.world.loop.call_later(seconds, recover)


def cut_gateway(story: Story, *, resumable: bool) -> None:
    story.discord.gateway.drop(resumable=resumable)
    story.strike(f"the gateway's connections are cut, {'' if resumable else 'not '}resumable")


# What services do for some seconds.
FAILURES: dict[str, Callable[[Story, float], None]] = {
    "Discord refuses": lambda story, seconds: leave(story, "Discord", seconds),
    "Discord away": lambda story, seconds: leave(story, "Discord", seconds, refuses=False),
    "ComfyDeploy away": lambda story, seconds: leave(story, "ComfyDeploy", seconds),
    "gateway resumes": lambda story, _: cut_gateway(story, resumable=True),
    "gateway lost": lambda story, _: cut_gateway(story, resumable=False),
    **{f"checker {mood}": partial(set_mood, mood=mood) for mood in Mood if mood is not Mood.WELL},
}


@action("discord", weight=3)
async def service_fails(story: Story, draw: Draw) -> None:
    """Let a service fail for some seconds."""
    what, seconds = draw(what=list(FAILURES), seconds=(2, 10, 15, 40, 60))
    FAILURES[what](story, seconds)
