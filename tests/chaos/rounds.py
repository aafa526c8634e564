"""Play a chaos round: people send requests, faults strike, places close, and the bot may be killed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from demo.fake_comfydeploy.faults import CHAOS, Chaos, Faults
from tests.chaos.environment import SPEED, Environment
from tests.chaos.faults import ROUTES, RUN_FAULTS
from tests.chaos.invariants import Round
from tests.contract.database.proxy import COMMIT, STATEMENT, Loss, PostgresProxy
from tests.databases import locked
from tests.fakediscord.actions import CannotSend
from tests.fakediscord.faults import Effect, Fault
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Message

QUIET = ("nothing", "cancel", "again")
HAPPENINGS = (
    *("nothing", "nothing", "cancel", "cancel", "again", "withdraw_send", "withdraw_view", "delete_channel"),
    *("delete_status", "gateway_drop", "gateway_lost", "remove_bot", "close_all", "expire_tokens"),
    *("outage", "outage", "upgrade"),
)
# Discord's upload limit in bytes for some requests, so small that pictures are recompressed or linked.
SMALL_LIMIT = 3000
_PARTIES = ("discord", "discord", "comfydeploy", "network", "database")
# More jumps, each with attempts, than the bot would allow failures if it counted those in an outage.
_MORE_THAN_TRIES = 40
# Seconds, longer than the bot waits for SQLite's lock.
_LOCK_SECONDS = 1.0


async def play(world: Environment, seed: int, number: int) -> Round:
    """Play a round without waiting until it has settled."""
    chance = random.Random(f"{seed}-{number}")
    guild, happening = chance.choice(world.guilds), chance.choice(HAPPENINGS)
    if happening == "remove_bot":
        guild = world.discord.add_guild(f"round {number}")
        for person in world.people:
            world.discord.join(guild, person)
    this = Round(number, world.discord.add_text(guild, f"round-{number}"), happening)
    await world.watch()
    _arm(world, this, chance)
    await _ask(world, this, chance)
    # A bot that starts during an outage only waits for its end.
    killer = asyncio.create_task(asyncio.sleep(0))
    if chance.random() < 0.33 and happening not in ("outage", "upgrade"):
        seconds = chance.uniform(0.0, 0.6)
        this.died = f"after {seconds:.3f} s"
        killer = asyncio.create_task(_kill_after(world, seconds, chance))
    await asyncio.sleep(chance.uniform(0.0, 0.4))
    await _happen(world, this, chance)
    await killer
    return this


def _arm(world: Environment, this: Round, chance: random.Random) -> None:
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        (route,) = chance.choices([*ROUTES], [*ROUTES.values()])
        effect, times = chance.choice((*Effect, Effect.LOSE_REPLY)), chance.choice((1, 1, 1, 2, 3))
        seconds = chance.uniform(0.5, 8) if effect is Effect.RATE_LIMIT else chance.uniform(0.05, 0.4)
        fault = Fault(effect, status=chance.choice((500, 502, 503)), seconds=seconds)
        this.faults.append(f"{times} x {route} {fault}")
        world.discord.faults.add(route, fault, times=times)
    if world.database.proxy is not None and chance.random() < 0.3:
        _lose_steps(world.database.proxy, this, chance)


def _lose_steps(proxy: PostgresProxy, this: Round, chance: random.Random) -> None:
    """Lose COMMITs or other statements of the database, or the replies to them."""
    loss = chance.choice((Loss.REPLY, Loss.REPLY, Loss.STATEMENT))
    every, times = chance.choice((1, 2, 3, 5, 8)), chance.choice((1, 1, 2, 3))
    commits_only = chance.random() < 0.7
    what = "COMMIT" if commits_only else "statement"
    this.faults.append(f"{times} x every {every}th {what}: its {loss} is lost")
    proxy.lose(loss, steps=COMMIT if commits_only else STATEMENT, every=every, times=times)


async def _ask(world: Environment, this: Round, chance: random.Random) -> None:
    for index in range(chance.choice((1, 2, 3, 4))):
        faults = _run_faults(chance)
        if faults != Faults():
            this.faults.append(f"run: {faults.model_dump(exclude_defaults=True)}")
        world.comfydeploy.next_faults(faults)
        person = chance.choice(world.people)
        options: dict[str, Any] = {"prompt": f"r{this.number}-{index}"}
        if chance.random() < 0.25:
            options["count"] = chance.choice((2, 3, 4))
        limit = SMALL_LIMIT if chance.random() < 0.15 else None
        with suppress(CannotSend):
            this.asked.append(
                await world.discord.slash(person, this.channel, "generate", options, size_limit=limit)
            )
        await asyncio.sleep(chance.choice((0, 0, 0.05)))


def _run_faults(chance: random.Random) -> Faults:
    """Return the faults of one queue call; half of the calls have none."""
    if chance.random() < 0.5:
        return Faults()
    if chance.random() < 0.4:
        return Chaos(dict.fromkeys(CHAOS, 0.12), seed=chance.randrange(2**32)).draw()
    faults = RUN_FAULTS[chance.choice(sorted(RUN_FAULTS))]
    return faults.model_copy(update={"queue_delay": faults.queue_delay / SPEED})


async def _kill_after(world: Environment, seconds: float, chance: random.Random) -> None:
    await asyncio.sleep(seconds)
    await world.kill(chance)
    await world.start()


async def _happen(world: Environment, this: Round, chance: random.Random) -> None:
    match this.happening:
        case "cancel":
            for asked in this.asked:
                if asked.original is not None and not asked.original.deleted_at and chance.random() < 0.7:
                    await _click(world, asked, asked.original, "Cancel")
        case "again":
            await _repeat(world, this)
        case "delete_status":
            for message in (asked.original for asked in this.asked):
                if message is not None and not message.ephemeral and not message.deleted_at:
                    this.removed.append(message)
                    world.discord.delete_message(message)
        case "upgrade":
            await world.replace_all()
        case "outage":
            await _endure(world, this, chance)
        case _:
            _close(world.discord, this)


def _close(discord: FakeDiscord, this: Round) -> None:
    """Close a way to the requesters: the connection, the channel, direct messages, or the answers."""
    happening, channel = this.happening, this.channel
    if happening in ("gateway_drop", "gateway_lost"):
        discord.gateway.drop(resumable=happening == "gateway_drop")
    elif happening == "delete_channel":
        this.removed += list(channel.messages.values())
        discord.delete_channel(channel)
    elif happening == "remove_bot" and channel.guild is not None:
        discord.remove_bot(channel.guild)
    if happening in ("withdraw_send", "close_all"):
        discord.withdraw(channel, "send_messages")
    if happening in ("withdraw_view", "close_all"):
        discord.withdraw(channel, "view_channel")
    for asked in this.asked:
        asked.user.accepts_dms &= happening != "close_all"
        asked.created_at -= 900 if happening in ("close_all", "expire_tokens") else 0


async def _click(world: Environment, asked: Interaction, message: Message, label: str) -> None:
    with suppress(CannotSend):
        await world.discord.click(asked.user, message, label)


async def _repeat(world: Environment, this: Round) -> None:
    for message in world.discord.messages(this.channel):
        if any(item.endswith((":again", ":repeat")) for item in message.custom_ids):
            asked = next((each for each in this.asked if str(each.user.id) in message.text), None)
            if asked is not None:
                await _click(world, asked, message, "gain")
            return


async def _endure(world: Environment, this: Round, chance: random.Random) -> None:
    """Let an outage last for hours, which pass in jumps of the clocks."""
    party, hours = chance.choice(_PARTIES), chance.choice((1, 3, 6, 12))
    jumps = chance.choice((1, 4, _MORE_THAN_TRIES))
    this.faults.append(f"{hours} h without {party} in {jumps} jumps")
    async with _away(world, party, chance):
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        for _ in range(jumps):
            world.jump(hours * 3600 / jumps)
            await asyncio.sleep(chance.uniform(0.1, 0.2))


@asynccontextmanager
async def _away(world: Environment, party: str, chance: random.Random) -> AsyncIterator[None]:
    if party in ("discord", "network"):
        world.discord.faults.rules.clear()
        world.discord.faults.add("*", chance.choice((Fault.answer(503), Fault.drop_before())), times=None)
    world.comfydeploy.world.plan.away = party in ("comfydeploy", "network")
    try:
        if party == "database" and world.database.proxy is not None:
            world.database.proxy.shut()
        if party == "database" and world.database.file is not None:
            with locked(world.database.file):
                yield
                await asyncio.sleep(_LOCK_SECONDS)
        else:
            yield
    finally:
        world.comfydeploy.world.plan.away = False
        world.heal()
