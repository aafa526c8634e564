"""Measure the longest stall of the event loop under hostile inputs; the baseline is an idle loop."""

from __future__ import annotations

import asyncio
import tempfile
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from bot.comfydeploy.deployments import parse_deployment
from bot.comfydeploy.wire import WebhookSigner
from bot.context import App
from bot.deployments.command_plan import PRESET_OPTION, plan_commands, suggestions
from bot.deployments.inputs import Typed
from bot.deployments.model import compile_deployment
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import BackendBadReply, BotError
from bot.domain.moderation import AuditAction, AuditEntry, AuditFilter
from bot.domain.requests import Actor, ChannelState, Member, Origin
from bot.domain.results import PAGE_SIZE, RunFilter
from bot.domain.runs import Output, Run, RunState
from bot.domain.settings.kinds import SettingsContext
from bot.domain.settings.rules_and_defaults import ServerRules, Words
from bot.media.shrink import shrink
from bot.outside import Outside
from bot.services import audit, generation, presets, privacy
from bot.ui.audit import AUDIT_COLUMNS, audit_cells
from bot.words.cache import AutomodCache, WordThread
from bot.words.rules import WordRules
from demo.fake_comfydeploy.deployments import PICTURE_ID, PROMPT, SEED, InputNode, picture, size_input
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests import questions
from tests.bench import hostile
from tests.bench.figures import Figure
from tests.bench.setup import SECRET, made_run
from tests.harness import AppRunner, open_app

AIM, AIM_SECONDS, ROUNDS = "≤ 50 ms on an idle machine", 0.05, 3
TICK = 0.001
GUILD, CHANNEL, PERSON = 1, 2, 3
Case = Callable[[], Awaitable[object]]


async def measure(_options: Namespace) -> list[Figure]:
    alone, _ = await _stall_of(lambda: (partial(asyncio.sleep, 0.01) for _ in range(100)))
    found: dict[str, tuple[float, int]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scene = open_app(Path(folder), comfydeploy=_backend(), webhook_secret=SECRET)
        async with scene as runner, aiohttp.ClientSession() as session:
            app = runner.app.app
            run = await _fill(runner)
            groups: dict[str, Callable[[], Iterator[Case]]] = {
                "lists and files": partial(_lists, app),
                "texts and autocomplete": partial(_texts, app),
                "word rules": _rules,
                "webhooks of 1 MiB": partial(_webhooks, runner, run, session),
                "descriptions of deployments": _descriptions,
                "pictures": lambda: (
                    partial(asyncio.to_thread, shrink, data, 100_000) for data in hostile.pictures()
                ),
            }
            for name, make in groups.items():
                found[name] = await _stall_of(make)
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


def _backend() -> FakeComfyDeploy:
    """Return a fake ComfyDeploy whose deployment has an option of each kind, one with 200 choices."""
    sizes = tuple(str(size) for size in range(64, 64 * 201, 64))
    inputs = (
        *(PROMPT, SEED, size_input("width", 256)),
        InputNode(class_type="Enum", input_id="size", default="64", options=sizes),
        InputNode(class_type="Number", input_id="strength", default=0.5),
        InputNode(class_type="Boolean", input_id="tiling", default=False),
    )
    return FakeComfyDeploy(webhook_waits=(0, 0), deployments=[replace(picture(), inputs=inputs)])


def _requester() -> Actor:
    now = datetime.now(UTC)
    origin = Origin(
        guild_id=GUILD,
        channel_id=CHANNEL,
        application_id=4,
        interaction_token="none",
        interaction_expires_at=now + timedelta(minutes=15),
        upload_limit=10 * hostile.MIB,
    )
    person = Member(id=PERSON, created_at=now - timedelta(days=900), manages_server=True)
    return Actor(person, origin, frozenset({CHANNEL}), lambda _: ChannelState(), GUILD)


async def _fill(runner: AppRunner) -> Run:
    """Store runs with half a million characters of text each, and audit entries; return a run in flight.

    The server limits nobody, and has no AutoMod rules.
    """
    unlimited = {"at_once": None, "waiting": None, "runs_a_day": None, "gpu_seconds_a_day": None}
    rules = ServerRules.model_validate(
        {"words": {"automod": False}, "budgets": {"person": unlimited, "server": unlimited}}
    )
    now = datetime.now(UTC)
    await runner.app.app.store.rules.change(GUILD, PERSON, lambda _: rules, now, SettingsContext())
    outputs = tuple(Output("text", text="é" * 100_000) for _ in range(5))
    ended = [
        made_run(RunState.SUCCEEDED, PERSON, GUILD, CHANNEL, outputs=outputs, ended_at=now) for _ in range(12)
    ]
    in_flight = made_run(RunState.QUEUED, PERSON, GUILD, CHANNEL)
    await questions.insert_runs(runner.database, *ended, in_flight, due_at=now + timedelta(hours=1))
    details = {"rule": "é" * 90, "word": "é" * 60, "option": "prompt"}
    refusal = AuditEntry(
        at=now,
        guild_id=GUILD,
        action=AuditAction.REFUSAL,
        actor_id=PERSON,
        subject_id=PERSON,
        details=details,
    )
    await questions.insert_audit(runner.database, *[refusal] * 5_000)
    return in_flight


def _lists(app: App) -> Iterator[Case]:
    """Show lists and make files of what `_fill` stored."""
    # A server without roles and channels in the cache of discord.py.
    nameless: Any = SimpleNamespace(get_role=lambda _: None, get_channel=lambda _: None)
    yield partial(app.store.history.page, PERSON, RunFilter.ALL, limit=PAGE_SIZE + 1, offset=0)
    yield partial(app.store.history.server_queue, GUILD, limit=PAGE_SIZE + 1)
    yield partial(privacy.export, app, PERSON)
    cells = partial(audit_cells, title=app.catalogue.title, guild=nameless)
    yield partial(audit.export, app, _requester(), AuditFilter(), AUDIT_COLUMNS, cells)


def _texts(app: App) -> Iterator[Case]:
    """Yield requests with each text as each option and in `more`, and autocompletions of it."""
    (deployment,) = app.catalogue.all()
    names = [item.option for item in deployment.offered]

    async def ask(options: Typed) -> None:
        draft = await presets.draft(app, _requester(), deployment.name, None)
        await generation.check(app, _requester(), draft, options)

    async def complete(typed: str) -> None:
        for name in names:
            suggestions(deployment, name, typed, {})

    for text in hostile.long_texts(6000):
        for name in names:
            yield partial(ask, {name: text})
            yield partial(ask, {"more": f"{name}={text}"[:6000]})
        yield partial(ask, {"more": text})
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


def _webhooks(runner: AppRunner, run: Run, session: aiohttp.ClientSession) -> Iterator[Case]:
    """Yield webhooks. The client runs in the same event loop, so its time counts, too."""
    url = WebhookSigner(SECRET, f"http://127.0.0.1:{runner.port}").url(run.key) or ""

    async def post(body: bytes) -> None:
        async with session.post(url, data=body) as answer:
            await answer.read()

    return (partial(post, body) for body in hostile.webhook_bodies(run.run_id or ""))


def _descriptions() -> Iterator[Case]:
    config = DeploymentSettings(name="picture", deployment_id=PICTURE_ID)

    async def offer(body: bytes) -> None:
        described = parse_deployment(body)
        await asyncio.sleep(0)  # the bot yields to the event loop here, too
        plan_commands((compile_deployment(config, described, ()),), (PRESET_OPTION,))

    return (partial(offer, body) for body in hostile.descriptions())
