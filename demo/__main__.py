"""Run the bot in an offline Discord in the browser: `python -m demo`. It needs no token, account or GPU."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path

from simcord.backend.errors import SetupError

from bot.domain.errors import StartupError
from demo import tour
from demo.narrator import Narrator, narrating
from demo.once import SIZE, DemoFailed, generate_once
from demo.page import keep_fresh, open_pages
from demo.world import open_world

ONCE_SECONDS = 25
FIRST_SECONDS = 60
PACE_ONCE = 0.6
PACE = 1.0

INTRODUCTION = """\
The bot is real: its command, its store, its HTTP client, its webhook endpoint and its messages.
Discord and ComfyDeploy are fakes on this machine: no token, no account and no GPU is used,
and the pictures are landscapes painted here, which don't show what the prompt says.
"""
INVITATION = """
Try this in the first page. At its top, choose who you are. This list is below its channels, too.

{tour}

Everything that happens is printed here. Ctrl-C ends it.
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="generate one picture, save it, and exit")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for --once")
    parser.add_argument(
        "--port", type=int, default=None, help="port of the first page; others follow; default: free ports"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the page's address")
    return parser.parse_args()


async def once(narrator: Narrator, output: Path) -> None:
    async with asyncio.timeout(ONCE_SECONDS), open_world(PACE_ONCE) as world:
        async with narrating(narrator, world):
            made = await generate_once(world, narrator)
        narrator.say(f"\nOne message with a PNG of {SIZE[0]} x {SIZE[1]} pixels is in the channel.")
        picture, transcript = output / "picture.png", output / "transcript.txt"
        picture.write_bytes(await made.read())
        transcript.write_text("\n".join(narrator.lines) + "\n", encoding="utf-8")
    print(f"Saved {picture} and {transcript}")


async def stay(narrator: Narrator, port: int | None, *, browser: bool) -> None:
    """Run the demo until Ctrl-C, SIGTERM or the end of a page's preview.

    Raises DemoFailed, or TimeoutError if there is no first picture after `FIRST_SECONDS`.
    """
    # Both signals cancel this task; once it has cleaned up, the demo has ended as it should.
    with suppress(asyncio.CancelledError):
        async with open_world(PACE) as world, narrating(narrator, world), open_pages(world, port) as pages:
            async with asyncio.timeout(FIRST_SECONDS):
                made = await generate_once(world, narrator)
            narrator.say(f"\n{made.filename} is in #{world.channel.name}: {made.size / 1000:.0f} kB.")
            narrator.say("\nThe pages, one for each channel:")
            for page in pages:
                narrator.say(f"  {page.title:<24} {page.url}")
            narrator.say(INVITATION.format(tour="\n".join(tour.lines())))
            has_display = any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
            if browser and (has_display or sys.platform in ("win32", "darwin")):
                await asyncio.to_thread(webbrowser.open, pages[0].url)
            await keep_fresh(world, pages)
    narrator.say("The demo has ended.")


def main() -> int:
    options = parse()
    # SIGTERM ends the demo as Ctrl-C does, so that its temporary folder is deleted. Programs that a shell
    # starts in the background ignore SIGINT unless they set a handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    narrator = Narrator()
    narrator.say(INTRODUCTION)
    try:
        if options.once:
            options.output.mkdir(parents=True, exist_ok=True)
            asyncio.run(once(narrator, options.output))
        else:
            asyncio.run(stay(narrator, options.port, browser=not options.no_browser))
    except TimeoutError:
        print("The demo took too long and was stopped.", file=sys.stderr)
    except (DemoFailed, StartupError, SetupError, OSError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
