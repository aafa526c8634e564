"""What goes wrong: the services, the network, the database, the clocks and the processes themselves."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

from demo.fake_comfydeploy.faults import CHAOS, Faults
from tests.fakediscord.faults import Effect, Fault
from tests.simulation.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.life import Life
from tests.simulation.patches import TIME
from tests.simulation.process import Process
from tests.simulation.steps import action
from tests.simulation.story import Story

_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = f"{_MESSAGES}/{{message_id}}"
_ANSWER = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
_FOLLOW_UP = "/webhooks/{webhook_id}/{webhook_token}"
_CALLBACK = "/interactions/{webhook_id}/{webhook_token}/callback"
# Twice: the post is where an outcome is lost or doubled.
ROUTES = (
    f"POST {_MESSAGES}",
    f"POST {_MESSAGES}",
    f"GET {_MESSAGES}",
    f"PATCH {_MESSAGE}",
    f"DELETE {_MESSAGE}",
    f"PATCH {_ANSWER}",
    f"GET {_ANSWER}",
    f"DELETE {_ANSWER}",
    f"POST {_FOLLOW_UP}",
    "POST /users/@me/channels",
    f"POST {_CALLBACK}",
    f"POST {_CALLBACK}",
)


def _draw_discord_fault(chance: random.Random) -> dict[str, Any]:
    effect = chance.choice(
        (
            Effect.STATUS,
            Effect.STATUS_AFTER,
            Effect.RATE_LIMIT,
            Effect.DROP_BEFORE,
            Effect.DROP_HALFWAY,
            Effect.LOSE_REPLY,
            Effect.LOSE_REPLY,
            Effect.DELAY_BEFORE,
            Effect.DELAY_AFTER,
        )
    )
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


@action(
    "discord",
    lambda chance: {
        "seconds": chance.choice((2, 10, 40)),
        "effect": chance.choice(("status", "drop_before")),
    },
)
async def discord_away(story: Story, seconds: float, effect: str) -> None:
    """Let every call to Discord fail for a while, in real time or, if it is long, by a jump."""
    fault = Fault(Effect(effect), status=503 if effect == "status" else 0)
    rule = story.world.discord.faults.add("*", fault, times=None)
    story.strike(f"Discord is away for {seconds} s")

    def back() -> None:
        rules = story.world.discord.faults.rules
        if rule in rules:
            rules.remove(rule)
        story.strike("Discord is back")

    story.world.loop.call_later(seconds, back)


@action("discord", lambda chance: {"resumable": chance.random() < 0.6})
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
    """Let the next queue call's run misbehave."""
    story.world.next_faults(faults)
    story.strike(f"the next run: {faults}")


@action("comfydeploy", lambda chance: {"seconds": chance.choice((2, 10, 40))})
async def comfydeploy_away(story: Story, seconds: float) -> None:
    plan = story.world.comfydeploy.world.plan
    plan.away = True
    story.strike(f"ComfyDeploy is away for {seconds} s")

    def back() -> None:
        plan.away = False
        story.strike("ComfyDeploy is back")

    story.world.loop.call_later(seconds, back)


# Hours or days without a service pass in one jump.
@action(
    "outage",
    lambda chance: {
        "party": chance.choice(("discord", "discord", "comfydeploy", "both")),
        "hours": chance.choice((0.2, 1, 6, 12, 30)),
        "jumps": chance.choice((1, 3, 8)),
    },
)
async def long_outage(story: Story, party: str, hours: float, jumps: int) -> None:
    """Let a service be away for hours that pass in jumps; the bot runs for a moment after each."""
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


def jump(story: Story, seconds: float) -> None:
    """Move all clocks; what was due runs afterwards."""
    story.world.discord.messages_service.keep_nonces_in_use(seconds)
    story.world.loop.jump(seconds)
    story.world.note("trouble", f"all clocks jump by {seconds:g} s")


# The database.

_WRITES = ("INSERT", "UPDATE", "DELETE", "SELECT", "BEGIN")
# What SQLite and PostgreSQL say, and a connection that breaks, which only PostgreSQL's can.
_ERRORS: dict[str, Callable[[], Exception]] = {
    "error": lambda: sqlite3.OperationalError("disk I/O error"),
    "broken": lambda: ConnectionLost("the connection was lost"),
}


def _draw_statement_fault(chance: random.Random) -> dict[str, Any]:
    return {
        "commits": chance.random() < 0.6,
        "nth": chance.choice((1, 1, 2, 3, 5, 8)),
        "times": chance.choice((1, 1, 2)),
        "how": chance.choice(("error", "broken", "reply lost", "reply lost")),
    }


@action("database", _draw_statement_fault, weight=4)
async def statement_fault(story: Story, *, commits: bool, nth: int, times: int, how: str = "error") -> None:
    """Let the nth COMMIT or other statement from now on fail, and perhaps the next.

    With SQLite nothing is lost on the way, so each of these is an error.
    """
    late = how == "reply lost" and story.world.is_postgres
    error = _ERRORS["broken" if late or (how == "broken" and story.world.is_postgres) else "error"]
    reached = nth_call(nth, times)

    def strike(life: Life, sql: str, done: bool) -> None:
        if done is late and counts(sql, commits=commits) and reached():
            story.strike(f"{life.name}: {sql.split(maxsplit=1)[0]} fails: {how}")
            raise error()

    add_strike(strike)
    story.strike(f"the {nth}. {'COMMIT' if commits else 'statement'} will fail, {times} times: {how}")


@action("database", lambda chance: {"seconds": chance.choice((0.5, 3, 15))})
async def database_away(story: Story, seconds: float) -> None:
    """Let every statement fail for a while."""
    ends = TIME.monotonic + seconds
    error = _ERRORS["broken" if story.world.is_postgres else "error"]

    def strike(_life: Life, _sql: str, done: bool) -> None:
        if not done and TIME.monotonic < ends:
            raise error()

    add_strike(strike)
    story.strike(f"the database is away for {seconds} s")


def nth_call(nth: int, times: int = 1) -> Callable[[], bool]:
    """Return a function that is true at its nth call, and at the next ones up to `times`."""
    calls = [0]

    def reached() -> bool:
        calls[0] += 1
        return nth <= calls[0] < nth + times

    return reached


def counts(sql: str, *, commits: bool) -> bool:
    first = sql.lstrip().split(None, 1)[0].upper()
    return first == "COMMIT" if commits else first in _WRITES


def add_strike(strike: Callable[[Life, str, bool], None]) -> None:
    earlier = STATEMENTS.strike

    def both(life: Life, sql: str, done: bool) -> None:
        if earlier is not None:
            earlier(life, sql, done)
        if not life.dead:
            strike(life, sql, done)

    STATEMENTS.strike = both


# Kills. `which` is the process's place among those that run, and `back` when a supervisor starts it again.


def _draw_kill(chance: random.Random) -> dict[str, Any]:
    return {
        "nth": chance.choice((1, 2, 3, 4, 6, 9, 13)),
        "after": chance.random() < 0.5,
        "back": chance.choice((0.1, 1.0, 5.0, 30.0)),
    }


@action("kill", _draw_kill, weight=4)
async def kill_at_commit(story: Story, nth: int, *, after: bool, back: float) -> None:
    """Kill whichever process makes the nth COMMIT from now on, before or after it is carried out."""
    reached = nth_call(nth)

    def strike(life: Life, sql: str, done: bool) -> None:
        if done is after and counts(sql, commits=True) and reached():
            kill_life(story, life, back, f"{'after' if after else 'before'} a COMMIT")

    add_strike(strike)
    story.strike(f"a kill {'after' if after else 'before'} the {nth}. COMMIT")


_CALLS = {
    "post": f"POST {_MESSAGES}",
    "callback": f"POST {_CALLBACK}",
    "edit": f"PATCH {_MESSAGE}",
    "delete": f"DELETE {_MESSAGE}",
}


@action(
    "kill",
    lambda chance: {
        "call": chance.choice(tuple(_CALLS)),
        "nth": chance.choice((1, 1, 2, 3)),
        "executed": chance.random() < 0.5,
        "back": chance.choice((0.1, 1.0, 5.0)),
    },
    weight=3,
)
async def kill_during_call(story: Story, call: str, nth: int, *, executed: bool, back: float) -> None:
    """Kill all processes during a call to Discord, which carries it out or not."""
    reached = nth_call(nth)

    def watch(_: Any) -> bool:
        if not reached():
            return False
        for process in story.world.running:
            kill_life(story, process.life, back, f"during the {nth}. {call}")
        return True

    fault = Fault.lose_reply() if executed else Fault.drop_before()
    story.world.discord.faults.add(_CALLS[call], fault, times=1, where=watch)
    story.strike(f"a kill during the {nth}. {call}, {'executed' if executed else 'not executed'}")


@action("kill", lambda chance: {"which": chance.randrange(5), "back": chance.choice((0.1, 1.0, 5.0, 30.0))})
async def kill_now(story: Story, which: int, back: float) -> None:
    for process in _chosen(story, which):
        kill_life(story, process.life, back, "in the middle")


@action("kill", lambda chance: {"which": chance.randrange(5), "back": chance.choice((0.1, 2.0, 20.0))})
async def terminate(story: Story, which: int, back: float) -> None:
    """Stop a process in order, and start it again."""
    for process in _chosen(story, which):
        story.strike(f"{process.life.name} gets SIGTERM")
        process.signal(signal.SIGTERM)
        # A stop takes at most ten seconds.
        story.world.launch_later(10 + back, process.life.name)


def _chosen(story: Story, which: int) -> list[Process]:
    running = story.world.running
    return [running[which % len(running)]] if running else []


def kill_life(story: Story, life: Life, back: float, where: str) -> None:
    for process in story.world.running:
        if process.life is life:
            story.strike(f"{life.name} is killed {where}")
            process.kill()
            story.world.launch_later(back, life.name)


@action(
    "threads",
    lambda chance: {"seconds": round(chance.uniform(0.2, 5), 1), "calls": chance.choice((1, 3, 10))},
)
async def slow_thread(story: Story, seconds: float, calls: int) -> None:
    """Let the next calls in threads take a while."""
    left = [calls]

    def delay(_life: Life, _name: str) -> float:
        if left[0] <= 0:
            return 0.0
        left[0] -= 1
        return seconds

    story.world.loop.executor_delay = delay
    story.strike(f"the next {calls} calls in threads take {seconds} s")


@action("clock", lambda chance: {"seconds": chance.choice((-90, 30, 100, 3600, 86400))})
async def clock_jump(story: Story, seconds: float) -> None:
    """Set the wall clock of the bot's machine, and only that."""
    for process in story.world.running:
        process.ahead += seconds
    story.strike(f"the bot's clock is set by {seconds} s")


# Places and messages.


@action("place", lambda chance: {"where": chance.choice(("pictures", "requests", "adult", "gallery"))})
async def delete_channel(story: Story, where: str) -> None:
    channel = story.world.channel(where)
    if not channel.deleted:
        story.taken += list(channel.messages.values())
        story.world.discord.delete_channel(channel)
        story.strike(f"#{where} is deleted")


@action(
    "place",
    lambda chance: {
        "where": chance.choice(("pictures", "requests", "cards", "adult")),
        "permission": chance.choice(
            ("send_messages", "view_channel", "read_message_history", "attach_files")
        ),
    },
)
async def withdraw(story: Story, where: str, permission: str) -> None:
    channel = story.world.channel(where)
    if not channel.deleted:
        story.world.discord.withdraw(channel, permission)
        story.strike(f"the bot loses {permission} in #{where}")


@action("place", lambda chance: {"ask": chance.randrange(4)})
async def moderator_deletes(story: Story, ask: int) -> None:
    """Delete the newest public message about a request, as a moderator does in Discord."""
    if ask >= len(story.asks):
        return
    for message in reversed(story.of_ask(story.asks[ask])):
        if not message.ephemeral and message.channel.guild is not None:
            story.taken.append(message)
            story.world.discord.delete_message(message)
            story.strike(f"a moderator deletes a message about request {ask}")
            return


@action("place", lambda chance: {"who": chance.choice(("alice", "bob", "carol"))})
async def closes_direct_messages(story: Story, who: str) -> None:
    story.world.person(who).accepts_dms = False
    story.strike(f"{who} accepts no direct messages")


@action("place", lambda chance: {"ask": chance.randrange(4)})
async def token_expires(story: Story, ask: int) -> None:
    if ask < len(story.asks):
        story.asks[ask].interaction.created_at -= 900
        story.strike(f"the token of request {ask} has expired")


@action(
    "place", lambda chance: {"where": chance.choice(("pictures", "adult")), "nsfw": chance.random() < 0.5}
)
async def mark_channel(story: Story, where: str, *, nsfw: bool) -> None:
    channel = story.world.channel(where)
    if not channel.deleted:
        channel.nsfw = nsfw
        story.world.discord._announce(channel, "UPDATE")
        story.strike(f"#{where} is {'' if nsfw else 'not '}age-restricted now")
