"""Measure the time from interactions of each kind to their first answers, one at a time."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable

from tests.bench.figures import Figure, latencies, percentile
from tests.bench.setup import scene
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.interactions import Interaction

TIMES = 40
AIM = "≤ 300 ms"
# A list of this many presets has two pages.
PRESETS = 12
# The bot allows ten writing interactions a minute; the first one makes the result with the buttons.
_TURN = 9
_MINUTE = 61

TYPED = ("", "m", "mod", "model 1", "model 15", "99")
SUGGESTIONS = 300
AT_ONCE = 50

Act = Callable[[BotProcess], Awaitable[Interaction]]


async def _slash(home: BotProcess, command: str, **given: object) -> Interaction:
    asked = await home.discord.slash(home.alice, home.channel, command, given)
    return await asked.wait_answer()


def _press(action: str) -> Act:
    async def act(home: BotProcess) -> Interaction:
        # Use the whole custom_id, because the label "4 more" contains that of More.
        own = [each for each in home.discord.messages(home.channel) if f"<@{home.alice.id}>" in each.text]
        found = [(each, id) for each in own for id in each.custom_ids]
        result, pressed = next((each, id) for each, id in found if id.endswith(f":{action}"))
        return await (await home.discord.click(home.alice, result, pressed)).wait_answer()

    return act


async def _details_opened(home: BotProcess) -> Interaction:
    more = await _press("more")(home)
    if more.original is None:
        raise RuntimeError("nothing is behind More")
    return await (await home.discord.click(home.alice, more.original, "details")).wait_answer()


async def _edit_sent(home: BotProcess) -> Interaction:
    opened = await _press("edit")(home)
    return await (await home.discord.submit(opened, {})).wait_answer()


async def _page_turned(home: BotProcess) -> Interaction:
    listed = await _slash(home, "preset list")
    if listed.original is None:
        raise RuntimeError("there is no list")
    page = "presets:1"
    return await (await home.discord.click(home.alice, listed.original, page)).wait_answer()


def _typed(command: str, option: str, typed: str, **others: object) -> Act:
    async def act(home: BotProcess) -> Interaction:
        asked = await home.discord.autocomplete(home.alice, home.channel, command, option, typed, **others)
        await asked.wait_answer()
        if not asked.choices:
            raise RuntimeError(f"{command} suggested nothing for {option}")
        return asked

    return act


KINDS: dict[str, Act] = {
    "command that generates": lambda home: _slash(home, "generate", prompt="a fox"),
    "command with a list": lambda home: _slash(home, "runs"),
    "help": lambda home: _slash(home, "help"),
    "button Again": _press("again"),
    "button More": _press("more"),
    "button Details": _details_opened,
    "button Edit, which opens a form": _press("edit"),
    "form sent": _edit_sent,
    "page turned": _page_turned,
    "suggestions of an option": _typed("generate", "model", "model 1", prompt="a fox"),
    "suggestions of presets": _typed("generate", "preset", "n", prompt="a fox"),
}


WRITING = frozenset({"command that generates", "button Again", "form sent"})


async def _next_person(home: BotProcess) -> None:
    """Continue as a new person, who has a result."""
    home.alice = home.discord.add_user(f"person-{len(home.discord.world.users)}", home.guild)
    await _slash(home, "generate", prompt="a fox")
    await home.settled()


async def _seconds(home: BotProcess, name: str, act: Act) -> list[float]:
    seconds = []
    for number in range(TIMES):
        if name in WRITING and number % _TURN == 0:
            await _next_person(home)
        seconds.append((await act(home)).latency)
    return seconds


async def measure(_options: Namespace) -> list[Figure]:
    async with scene() as home:
        await home.start()
        await _next_person(home)
        with_presets = home.alice
        for number in range(PRESETS):
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(_MINUTE)
            await _slash(home, "preset save", name=f"n{number}")
        figures = []
        for name, act in KINDS.items():
            home.alice = with_presets
            if name not in WRITING:
                await act(home)
            seconds = await _seconds(home, name, act)
            slowest = percentile(seconds, 0.99) * 1000
            aim = "≤ 50 ms" if name.startswith("suggestions") else AIM
            figures.append(Figure("interactions", f"{name}, p99", slowest, "ms", aim=aim))
    return figures


async def measure_autocomplete(_options: Namespace) -> list[Figure]:
    """Measure the suggestions of an option with 200 choices."""
    acts = [_typed("generate", "model", typed, prompt="a fox") for typed in TYPED]

    async def suggest(number: int) -> float:
        return (await acts[number % len(acts)](home)).latency

    async with scene() as home:
        await home.start()
        await suggest(0)
        alone = [await suggest(number) for number in range(SUGGESTIONS)]
        together: list[float] = []
        for _ in range(SUGGESTIONS // AT_ONCE):
            together += await asyncio.gather(*map(suggest, range(AT_ONCE)))
    return [
        *latencies("autocomplete", "one at a time", alone, aim="p99 ≤ 50 ms"),
        *latencies("autocomplete", f"{AT_ONCE} at once", together),
    ]
