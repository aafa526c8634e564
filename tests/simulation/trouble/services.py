"""Actions: faults and outages of Discord, its gateway, ComfyDeploy, its runs and the picture checker."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from demo.fake_comfydeploy.faults import CHAOS, Faults
from demo.picture_check import Mood
from tests.fakediscord.faults import Effect, Fault
from tests.simulation.steps import action
from tests.simulation.story import Story

MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = f"{MESSAGES}/{{message_id}}"
POST = f"POST {MESSAGES}"
ANSWER = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
_FOLLOW_UP = "/webhooks/{webhook_id}/{webhook_token}"
CALLBACK = "/interactions/{webhook_id}/{webhook_token}/callback"
DEFER = f"POST {CALLBACK}"
# Two routes are listed twice, because there an outcome or answer can get lost or doubled.
ROUTES = (
    POST,
    POST,
    f"GET {MESSAGES}",
    f"PATCH {MESSAGE}",
    f"DELETE {MESSAGE}",
    f"PATCH {ANSWER}",
    f"GET {ANSWER}",
    f"DELETE {ANSWER}",
    f"POST {_FOLLOW_UP}",
    "POST /users/@me/channels",
    DEFER,
    DEFER,
)


def _draw_discord_fault(chance: random.Random) -> dict[str, Any]:
    effect = chance.choice((*Effect, Effect.LOSE_REPLY))
    drawn: dict[str, Any] = {
        "route": chance.choice(ROUTES),
        "effect": str(effect),
        "times": chance.choice((1, 1, 1, 2, 3)),
    }
    if effect in (Effect.STATUS, Effect.STATUS_AFTER):
        drawn["status"] = chance.choice((500, 502, 503))
    if effect in (Effect.RATE_LIMIT, Effect.DELAY_BEFORE, Effect.DELAY_AFTER):
        drawn["seconds"] = round(chance.uniform(0.2, 8), 2)
    return drawn


@action("discord", _draw_discord_fault, weight=6)
async def discord_fault(
    story: Story, route: str, effect: str, *, times: int, status: int = 0, seconds: float = 0.0
) -> None:
    """Let the next calls of a route fail."""
    fault = Fault(Effect(effect), status=status, seconds=seconds)
    story.world.discord.faults.add(route, fault, times=times)
    story.strike(f"Discord: the next {times} of {route}: {effect} {status or seconds or ''}")


@action("discord", seconds=(2, 10, 40), effect=("status", "drop_before"))
async def discord_away(story: Story, seconds: float, effect: str) -> None:
    """Let every call to Discord fail for some seconds."""
    fault = Fault(Effect(effect), status=503 if effect == "status" else 0)
    rule = story.world.discord.faults.add("*", fault, times=None)
    story.strike(f"Discord is away for {seconds} s")

    def back() -> None:
        rules = story.world.discord.faults.rules
        if rule in rules:
            rules.remove(rule)
        story.strike("Discord is back")

    story.world.loop.call_later(seconds, back)


@action("discord", resumable=0.6)
async def gateway_drop(story: Story, *, resumable: bool) -> None:
    story.world.discord.gateway.drop(resumable=resumable)
    story.strike(f"the gateway's connections are cut, {'' if resumable else 'not '}resumable")


def _draw_run_faults(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice((*RUN_FAULTS, *(["mixed"] * 8)))
    if kind != "mixed":
        return {"faults": RUN_FAULTS[kind]}
    mixed: dict[str, Any] = {}
    for name, faults in CHAOS.items():
        if chance.random() < 0.15 and name != "other_dialect":
            mixed |= faults.model_dump(exclude_defaults=True)
    return {"faults": mixed}


RUN_FAULTS: dict[str, dict[str, Any]] = {
    name: faults.model_dump(exclude_defaults=True)
    for name, faults in {
        "never_ends": Faults(never_ends=True),
        "held": Faults(hold_at="running"),
        "held_queued": Faults(hold_at="queued"),
        "succeeds_after_cancel": Faults(hold_at="running", success_after_cancel=True),
        "cannot_cancel": Faults(hold_at="running", cancel_supported=False),
        "gone_from_get": Faults(get_status=404),
        "broken_get": Faults(get_status=500),
        "too_busy": Faults(queue_status=429),
        "busy_but_started": Faults(
            queue_status=429, queue_starts=1, webhook_before_reply=True, undocumented=True, hold_at="queued"
        ),
        "slow_queue": Faults(queue_delay=4.0),
        "slow_and_silent": Faults(queue_delay=4.0, webhook_drop=True),
        "dripping": Faults(body="slow"),
        "endless": Faults(body="endless"),
        "damaged": Faults(body="damaged"),
        "expired": Faults(body="expired"),
        "redirected": Faults(body="private-redirect"),
        "wrong_type": Faults(body="wrong-type"),
        "timeout_with_one": Faults(ends_as="timeout", made=1),
        "silent_timeout": Faults(ends_as="timeout", made=1, webhook_drop=True),
        "lost_timeout": Faults(ends_as="timeout", made=1, silent_end=True),
        "failed_with_one": Faults(ends_as="failed", made=1),
        "cancelled_there": Faults(ends_as="cancelled", made=1),
        "lost_reply_then_timeout": Faults(queue_drop=True, ends_as="timeout", made=1),
        "lost_reply": Faults(queue_drop=True),
        "refused_but_started": Faults(queue_status=500, queue_starts=1),
    }.items()
}


@action("run", _draw_run_faults)
async def run_fault(story: Story, faults: dict[str, Any]) -> None:
    """Set faults for the next queue call and its run."""
    story.world.next_faults(faults)
    story.strike(f"the next run: {faults}")


@action("comfydeploy", seconds=(2, 10, 40))
async def comfydeploy_away(story: Story, seconds: float) -> None:
    plan = story.world.comfydeploy.world.plan
    plan.away = True
    story.strike(f"ComfyDeploy is away for {seconds} s")

    def back() -> None:
        plan.away = False
        story.strike("ComfyDeploy is back")

    story.world.loop.call_later(seconds, back)


@action(
    "outage", party=("discord", "discord", "comfydeploy", "both"), hours=(0.2, 1, 6, 12, 30), jumps=(1, 3, 8)
)
async def long_outage(story: Story, party: str, hours: float, jumps: int) -> None:
    """Let services be away for hours, which pass in jumps; the bot runs for a second after each."""
    world = story.world
    if party in ("discord", "both"):
        world.discord.faults.add("*", Fault.answer(503), times=None)
    world.comfydeploy.world.plan.away = party in ("comfydeploy", "both")
    story.strike(f"{party} is away for {hours} h")
    for _ in range(jumps):
        jump(story, hours * 3600 / jumps)
        await asyncio.sleep(1.0)
    world.discord.faults.clear()
    world.comfydeploy.world.plan.away = False
    story.strike(f"{party} is back")


@action("checker", mood=[each.value for each in Mood if each is not Mood.WELL], seconds=(2, 15, 60))
async def checker_mood(story: Story, mood: str, seconds: float) -> None:
    """Let the picture checker misbehave for some seconds."""
    checker = story.world.checker
    checker.mood = Mood(mood)
    story.strike(f"the checker: {mood} for {seconds} s")

    def recover() -> None:
        checker.mood = Mood.WELL
        story.world.note("trouble", "the checker is well")

    story.world.loop.call_later(seconds, recover)


def jump(story: Story, seconds: float) -> None:
    """Advance all clocks; overdue timers run afterwards."""
    story.world.discord.messages_service.keep_nonces_in_use(seconds)
    story.world.loop.jump(seconds)
    story.world.note("trouble", f"all clocks jump by {seconds:g} s")
