"""Play chaos rounds from a seed, check what people see after each few of them, and report the result.

The rounds have only the trouble that needs real processes, disks and sockets. Everything else that goes wrong
is in the simulation.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.domain.runs import Run
from demo.fake_comfydeploy.faults import CHAOS, Chaos
from tests import questions
from tests.chaos.database import opened
from tests.chaos.faults import ROUTES
from tests.chaos.processes import ALONE, ANSWER_WITHIN, SEVERAL, SPEED, Processes, processes
from tests.contract.database.proxy import COMMIT, Loss
from tests.databases import locked
from tests.fakediscord.actions import CannotSend
from tests.fakediscord.faults import Effect, Fault
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel

_HAPPENINGS = (
    *("nothing", "kill", "kill", "kill", "cancel", "gateway_drop", "gateway_lost", "upgrade"),
    *("Discord", "ComfyDeploy", "database", "database"),
)
_TOGETHER = 5
# Real seconds in which everything ends, including leases and deadlines.
_SETTLE_WITHIN = 90.0
# Real seconds, more than Discord waits for an answer, and the bot for the database.
_ANSWERED_WITHIN = ANSWER_WITHIN / SPEED + 3.0


@dataclass
class Round:
    """What people asked for in a channel, and what happened meanwhile."""

    channel: Channel
    asked: list[Interaction]
    happening: str


async def chaos(
    folder: Path, rounds: int, seed: int, kind: str, *, several: bool = False, say: Callable[[str], None]
) -> bool:
    """Play and check rounds; return whether each request had one outcome and each run one queue call.

    `say` receives the progress, the evidence of every violation, and the result. Raises RuntimeError if too
    little happened to prove anything.
    """
    layout, kept, judged = SEVERAL if several else ALONE, True, set[str]()
    ends = Counter[str]()
    async with opened(kind, folder, proxied=True) as database, processes(folder, database, layout) as bot:
        await bot.start()
        await bot.discord.wait_command("generate", within=30)
        for first in range(0, rounds, _TOGETHER):
            numbers = range(first, min(first + _TOGETHER, rounds))
            played = [await _play(bot, random.Random(f"{seed}-{number}")) for number in numbers]
            await _rest(bot, played)
            runs = await questions.runs(database, but=judged)
            for wrong in _violations(bot, played, runs):
                kept = False
                say(f"{wrong}\n{[this.happening for this in played]}")
            for this in played:
                bot.discord.delete_channel(this.channel)
                bot.discord.world.channels.pop(this.channel.id)
            judged |= {run.key for run in runs}
            ends.update(run.state.value for run in runs)
            say(f"… {numbers.stop} rounds, {len(judged)} requests, {bot.kills} kills")
    if len(judged) < rounds / 2 or not bot.kills:
        raise RuntimeError("so few requests and kills prove nothing")
    say(f"rounds={rounds} requests={len(judged)} kills={bot.kills}, ended as: {dict(ends)}")
    return kept


async def _play(bot: Processes, chance: random.Random) -> Round:
    """Play a round without waiting until its requests have ended."""
    happening = chance.choice(_HAPPENINGS)
    this = Round(bot.discord.add_text(chance.choice(bot.guilds), "round"), [], happening)
    await bot.watch()
    await bot.connected()
    for _ in range(chance.choice((0, 0, 1, 2))):
        (route,) = chance.choices([*ROUTES], [*ROUTES.values()])
        effect, seconds = chance.choice([*Effect]), chance.uniform(0.05, 0.4)
        fault = Fault(effect, status=500, seconds=seconds, after=chance.random() < 0.5)
        bot.discord.faults.add(route, fault, times=chance.choice((1, 1, 2)))
    if bot.database.proxy is not None and chance.random() < 0.3:
        loss, every = chance.choice((Loss.REPLY, Loss.REPLY, Loss.STATEMENT)), chance.choice((1, 2, 3, 5))
        bot.database.proxy.lose(loss, steps=COMMIT, every=every, times=chance.choice((1, 1, 2, 3)))
    drawn = Chaos(dict.fromkeys(CHAOS, 0.06), seed=chance.randrange(2**32))
    for _ in range(chance.choice((1, 2, 3, 4))):
        bot.comfydeploy.next_faults(drawn.draw())
        sending = bot.discord.slash(chance.choice(bot.people), this.channel, "generate", {"prompt": "a fox"})
        with suppress(CannotSend):
            this.asked.append(await sending)
    if chance.random() < 0.7:
        await _answered(bot, this.asked[:1])
    await asyncio.sleep(chance.uniform(0.0, 0.6))
    await _happen(bot, this, chance)
    return this


async def _happen(bot: Processes, this: Round, chance: random.Random) -> None:
    match this.happening:
        case "kill":
            await bot.kill(chance)
        case "upgrade":
            await bot.replace_all()
        case "cancel":
            for asked in this.asked:
                with suppress(CannotSend):
                    if asked.original is not None:
                        await bot.discord.click(asked.user, asked.original, "Cancel")
        case "gateway_drop" | "gateway_lost":
            bot.discord.gateway.drop(resumable=this.happening == "gateway_drop")
        case "Discord" | "ComfyDeploy" | "database":
            async with _away(bot, this.happening):
                await asyncio.sleep(chance.uniform(0.2, 2.0))


@asynccontextmanager
async def _away(bot: Processes, party: str) -> AsyncIterator[None]:
    """Make a service unavailable: a PostgreSQL refuses connections, and a SQLite file is locked."""
    if party == "Discord":
        bot.discord.faults.add("*", Fault.answer(503), times=None)
    bot.comfydeploy.world.plan.away = party == "ComfyDeploy"
    try:
        if party == "database" and bot.database.file is not None:
            with locked(bot.database.file):
                yield
        else:
            if party == "database" and bot.database.proxy is not None:
                bot.database.proxy.shut()
            yield
    finally:
        _heal(bot)


def _heal(bot: Processes) -> None:
    """Stop all faults except those of runs."""
    bot.discord.faults.clear()
    bot.comfydeploy.world.plan.away = False
    if bot.database.proxy is not None:
        bot.database.proxy.heal()


async def _rest(bot: Processes, played: Sequence[Round]) -> None:
    """Stop the faults, and wait until every request is answered or too old, and everything has ended."""
    _heal(bot)
    await bot.watch()
    await _answered(bot, [asked for this in played for asked in this.asked])
    with suppress(TimeoutError):
        await bot.home.settled(_SETTLE_WITHIN)


async def _answered(bot: Processes, sent: Sequence[Interaction]) -> None:
    """Wait until requests are answered, or too old for an answer."""
    delivered = [asked for asked in sent if asked.delivered_to]
    with suppress(TimeoutError):
        await bot.discord.wait_until(lambda: all(asked.shown for asked in delivered), _ANSWERED_WITHIN)


def _violations(bot: Processes, played: Sequence[Round], runs: Sequence[Run]) -> Iterator[str]:
    """Yield what is wrong with the runs, as people see it and ComfyDeploy has heard of it."""
    messages = [message for this in played for message in this.channel.messages.values()]
    messages += [m for person in bot.people for m in bot.discord.messages(bot.discord.dm(person))]
    log = bot.comfydeploy.call_log
    for run in runs:
        own = [message for message in messages if any(run.key in item for item in message.custom_ids)]
        waits = [message for message in own if any(item.endswith(":cancel") for item in message.custom_ids)]
        told = [message.text[:120] for message in own if message not in waits]
        calls = [call for call in log.calls_for(run.key) if call.status != 429]
        if not run.final or len(told) != 1 or waits or len(calls) > 1:
            lately = list(bot.discord.request_log.requests)[-60:]
            evidence = [
                f"{run}: {len(told)} outcomes {told}, {len(waits)} status messages, {len(calls)} queue calls",
                *bot.log_lines(run.key),
                *(f"{each.method} {each.path[:90]} {each.status}" for each in lately),
            ]
            yield "\n".join(evidence)
