"""Measure a gateway process's memory for servers with channels and roles, without members."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys

import discord
import psutil

from tests.bench.figures import Figure
from tests.bench.processes import run_module
from tests.fakediscord import payloads
from tests.fakediscord.errors import Json
from tests.fakediscord.world import MEMBER, Channel, Guild, Kind, User, World

CHANNELS = 30
ROLES = 20


async def measure(options: argparse.Namespace) -> list[Figure]:
    """Measure in a separate process, so that other memory doesn't count."""
    grown = await run_module("tests.bench.servers", options.servers) / 2**20 / options.servers * 1000
    what = f"for each 1,000 servers of {CHANNELS} channels and {ROLES} roles"
    return [Figure("servers", what, grown, "MiB")]


def guild(number: int) -> Json:
    """Return the GUILD_CREATE of a server. Its members only add roles."""
    world, bot = World(), User(1, "bot", bot=True)
    base = number * 1000 + 10**18
    server = Guild(base, f"server {number}", base + 1, members={base + n: MEMBER for n in range(1, ROLES)})
    world.users = {person: User(person, f"role {person}") for person in server.members}
    for n in range(CHANNELS):
        place = Channel(base + 100 + n, Kind.TEXT, f"channel-{n}", server, bot_permissions=MEMBER)
        world.channels[place.id] = place
    return payloads.gateway_guild(world, server, bot)


async def main(count: int) -> None:
    """Print the growth of this process in bytes."""
    intents = discord.Intents.none()
    intents.guilds = True
    # The same options as GenerateBot's.
    client = discord.Client(
        intents=intents,
        max_messages=None,
        member_cache_flags=discord.MemberCacheFlags.none(),
        chunk_guilds_at_startup=False,
    )
    state = client._connection
    state.parse_guild_create(json.loads(json.dumps(guild(0))))
    gc.collect()
    before = psutil.Process().memory_info().rss
    for number in range(1, count + 1):
        state.parse_guild_create(json.loads(json.dumps(guild(number))))
    gc.collect()
    sys.stdout.write(f"{psutil.Process().memory_info().rss - before}\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
