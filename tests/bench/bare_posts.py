"""Post a picture to channels as fast as discord.py can: `python -m tests.bench.bare_posts URL TOKEN FILE`.

Standard input has the ids of the channels, one for each post, in order. Prints the time of the start.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import discord

from tests.fakediscord.patch import point_discord_at


async def main(url: str, token: str, file: str) -> None:
    point_discord_at(url)
    picture = Path(file)

    async def post(channel_id: int) -> None:
        channel = client.get_partial_messageable(channel_id)
        while True:
            try:
                await channel.send(file=discord.File(picture))
            except discord.HTTPException as error:
                # After five 429s in a row, discord.py gives up.
                if error.status != 429:
                    raise
            else:
                return

    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(token)
        began = time.perf_counter()
        await asyncio.gather(*map(post, json.load(sys.stdin)))
    sys.stdout.write(f"{began}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
