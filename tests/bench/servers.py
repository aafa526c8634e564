"""Measure the memory that a gateway needs for its servers: guilds, channels and roles, no members."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys

import discord
import psutil

from tests.bench.figures import Figure
from tests.e2e.bot_process import PROJECT

CHANNELS = 30
ROLES = 20


async def measure(options: argparse.Namespace) -> list[Figure]:
    """Run the measurement in a process of its own, so that nothing else is counted."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.servers",
        str(options.servers),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    grown = json.loads(printed) / 2**20 / options.servers * 1000
    what = f"for each 1,000 servers of {CHANNELS} channels and {ROLES} roles"
    return [Figure("servers", what, grown, "MiB")]


def guild(number: int) -> dict[str, object]:
    """Return a GUILD_CREATE as Discord sends it with the guilds intent."""
    base = number * 1000 + 10**18
    role = {"color": 0, "hoist": False, "managed": False, "mentionable": False, "permissions": "104324673"}
    names = {"colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}}
    channel = {"type": 0, "topic": "What belongs here", "nsfw": False, "rate_limit_per_user": 0, "flags": 0}
    deny = {"type": 0, "allow": "0", "deny": "1024"}
    return {
        "id": str(base),
        "name": f"server {number}",
        "owner_id": str(base + 1),
        "icon": "0" * 32,
        "features": ["COMMUNITY", "NEWS"],
        "preferred_locale": "en-US",
        "roles": [
            {**role, **names, "id": str(base + n), "name": f"role {n}", "position": n, "flags": 0}
            for n in range(ROLES)
        ],
        "channels": [
            {
                **channel,
                "id": str(base + 100 + n),
                "name": f"channel-{n}",
                "position": n,
                "parent_id": None,
                "permission_overwrites": [{**deny, "id": str(base + n % ROLES)}],
            }
            for n in range(CHANNELS)
        ],
        "members": [
            {
                "user": {"id": "1", "username": "bot", "discriminator": "0", "avatar": None},
                "roles": [str(base + 1)],
                "joined_at": "2024-01-01T00:00:00+00:00",
                "deaf": False,
                "mute": False,
                "flags": 0,
            }
        ],
        "member_count": 500,
        "emojis": [],
        "stickers": [],
        "threads": [],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "verification_level": 1,
        "default_message_notifications": 1,
        "explicit_content_filter": 1,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "system_channel_flags": 0,
        "afk_timeout": 300,
    }


async def main(count: int) -> None:
    """Print by how many bytes the process has grown."""
    intents = discord.Intents.none()
    intents.guilds = True
    # As GenerateBot has it.
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
