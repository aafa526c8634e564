"""Measure the longest stall of the event loop under hostile inputs; the baseline is an idle loop."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from bot.comfydeploy.deployments import parse_deployment
from bot.comfydeploy.reports import parse_webhook
from bot.deployments.command_plan import PRESET_OPTION, plan_commands, suggestions
from bot.deployments.merge import merge
from bot.deployments.model import Deployment, compile_deployment
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import BackendBadReply, BotError
from bot.domain.settings.rules_and_defaults import Words
from bot.outside import Outside
from bot.words.cache import AutomodCache, WordThread
from bot.words.rules import WordRules
from demo.fake_comfydeploy.deployments import PICTURE_ID
from tests.bench import hostile
from tests.bench.figures import Figure

AIM, AIM_SECONDS, ROUNDS = "≤ 50 ms on an idle machine", 0.05, 3
TICK = 0.001
GUILD = 1
Case = Callable[[], Awaitable[object]]


async def measure(_options: Namespace) -> list[Figure]:
    alone, _ = await _stall_of(lambda: (partial(asyncio.sleep, 0.01) for _ in range(100)))
    groups: dict[str, Callable[[], Iterator[Case]]] = {
        "texts and autocomplete": _texts,
        "word rules": _rules,
        "webhooks of 1 MiB": _webhooks,
        "descriptions of deployments": _descriptions,
    }
    found = {name: await _stall_of(make) for name, make in groups.items()}
    return [
        Figure("lag", f"longest stall, {name} (input {case})", seconds * 1000, "ms", alone * 1000, AIM)
        for name, (seconds, case) in found.items()
    ]


async def _stall_of(make: Callable[[], Iterator[Case]]) -> tuple[float, int]:
    """Return the longest stall while the cases run one after the other, and its case's number.

    If it exceeds the aim, the smallest of three rounds counts, because a busy machine adds stalls.
    """
    rounds: list[tuple[float, int]] = []
    while len(rounds) < ROUNDS and (not rounds or min(rounds)[0] > AIM_SECONDS):
        rounds.append(await _longest_stall(list(make())))
    return min(rounds)


async def _longest_stall(cases: Sequence[Case]) -> tuple[float, int]:
    """Run the cases, which the bot may refuse; return the longest stall and its case's number.

    A stall counts only as far as this process used the CPU; otherwise other processes did.
    """
    longest, number = (0.0, 0), 0

    async def watch() -> None:
        nonlocal longest
        while True:
            due, computed = time.perf_counter() + TICK, time.process_time()
            await asyncio.sleep(TICK)
            late = min(time.perf_counter() - due, time.process_time() - computed)
            longest = max(longest, (late, number))

    watching = asyncio.create_task(watch())
    for number, case in enumerate(cases):  # noqa: B007  # `watch` notes it
        await asyncio.sleep(2 * TICK)
        with suppress(BotError, BackendBadReply):
            await case()
    await asyncio.sleep(2 * TICK)
    watching.cancel()
    return longest


def _compiled(body: bytes) -> Deployment:
    settings = DeploymentSettings(name="picture", deployment_id=PICTURE_ID)
    return compile_deployment(settings, parse_deployment(body), ())


def _texts() -> Iterator[Case]:
    """Yield each text as each option, in `more`, and as what autocompletion gets."""
    deployment = _compiled(hostile.each_kind_of_input())
    names = [item.option for item in deployment.offered]

    async def check(**typed: str) -> None:
        merge(deployment, [typed], draw_seed=lambda _: 1)

    async def complete(typed: str) -> None:
        for name in names:
            suggestions(deployment, name, typed, {})

    for text in hostile.long_texts(6000):
        for name in names:
            yield partial(check, **{name: text})
            yield partial(check, more=f"{name}={text}"[:6000])
        yield partial(check, more=text)
        yield partial(complete, text)


def _rules() -> Iterator[Case]:
    """Yield checks of each text under hostile word rules, which the first one compiles."""

    async def fetch(_: int, thread: WordThread) -> WordRules:
        return await thread.run(GUILD, WordRules.compile(hostile.RULES))

    async def check(text: str) -> None:
        words = Words.model_validate({"automod": True, "blocked": hostile.KEYWORDS})
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await cache.find_hit(GUILD, words, {"prompt": text}, (), ())

    cache = AutomodCache(fetch, Outside())
    return (partial(check, text) for text in (hostile.SLOW_TEXT, *hostile.long_texts(6000)))


def _webhooks() -> Iterator[Case]:
    async def parse(body: bytes) -> None:
        parse_webhook(body)

    return (partial(parse, body) for body in hostile.webhook_bodies())


def _descriptions() -> Iterator[Case]:
    async def offer(body: bytes) -> None:
        plan_commands((_compiled(body),), (PRESET_OPTION,))

    return (partial(offer, body) for body in hostile.descriptions())
