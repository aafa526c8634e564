"""Run the bot in an offline Discord in the browser: `python -m demo`. It needs no token, account or GPU."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from simcord.backend.errors import SetupError

from bot.domain.errors import StartupError
from demo import tour
from demo.log_capture import capturing_logs
from demo.narrator import Narrator, narrating
from demo.once import DemoFailed, generate_once, keep
from demo.page import Pages, open_pages
from demo.world import World, open_world

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


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="make one picture, save it, exit")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="where --once saves")
    parser.add_argument(
        "--port", type=int, default=None, help="of the first page, the others follow; left out: free ones"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the page's address")
    return parser.parse_args(arguments)


async def once(narrator: Narrator, output: Path) -> None:
    async with asyncio.timeout(ONCE_SECONDS), open_world(PACE_ONCE) as world:
        async with narrating(narrator, world):
            made = await generate_once(world, narrator)
        narrator.say()
        narrator.say(f"One message with a PNG of {made.size[0]} x {made.size[1]} pixels is in the channel.")
        picture, transcript = keep(output, made, narrator)
    print(f"Saved {picture} and {transcript}")


async def stay(narrator: Narrator, port: int | None, *, browser: bool) -> None:
    """Run the demo until Ctrl-C, SIGTERM or the page's "End preview session"."""
    stop = _stop_signal()
    async with open_world(PACE) as world, narrating(narrator, world), open_pages(world, port) as pages:
        tasks = [
            asyncio.create_task(pages.keep_fresh(), name="page"),
            asyncio.create_task(pages.closed(), name="closed"),
            asyncio.create_task(stop.wait(), name="stop"),
        ]
        try:
            if await _first(world, narrator, tasks):
                await _invite(narrator, pages, browser=browser)
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
    narrator.say("The demo has ended.")


async def _first(world: World, narrator: Narrator, tasks: Iterable[asyncio.Task[Any]]) -> bool:
    """Generate the first picture. Return False if the demo was stopped meanwhile.

    Raises DemoFailed, or TimeoutError after `FIRST_SECONDS`.
    """
    generation = asyncio.create_task(generate_once(world, narrator), name="first")
    await asyncio.wait({generation, *tasks}, timeout=FIRST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if not generation.done():
        generation.cancel()
        await asyncio.gather(generation, return_exceptions=True)
        if any(task.done() for task in tasks):
            return False
        raise TimeoutError
    made = generation.result()
    narrator.say(f"\n{made.filename} is in #{world.channel.name}: {len(made.content) / 1000:.0f} kB.")
    return True


async def _invite(narrator: Narrator, pages: Pages, *, browser: bool) -> None:
    narrator.say("\nThe pages, one for each channel:")
    for page in pages.all:
        narrator.say(f"  {page.title:<24} {page.url}")
    narrator.say(INVITATION.format(tour="\n".join(tour.lines())))
    if browser and _has_display():
        await asyncio.to_thread(webbrowser.open, pages.all[0].url)


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the loop instead
            loop.add_signal_handler(name, stop.set)
    return stop


def _watchdog(seconds: float) -> threading.Timer:
    """Return a timer, not started yet, that ends the process after `seconds` even if its event loop hangs."""

    def end() -> None:
        print(f"The demo did not come to an end within {seconds:.0f} s.", file=sys.stderr, flush=True)
        os._exit(3)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    return timer


def run(options: argparse.Namespace, narrator: Narrator) -> None:
    narrator.say(INTRODUCTION)
    if not options.once:
        asyncio.run(stay(narrator, options.port, browser=not options.no_browser))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    watchdog = _watchdog(ONCE_SECONDS + 4)
    watchdog.start()
    asyncio.run(once(narrator, options.output))
    watchdog.cancel()


def main() -> int:
    with capturing_logs() as capture:
        try:
            run(parse(), Narrator(capture, lambda line: print(line, flush=True)))
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
