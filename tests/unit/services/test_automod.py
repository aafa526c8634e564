"""Reading a server's AutoMod rules: once for concurrent requests, kept for a while, never skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.domain.errors import RefusedError
from bot.domain.settings.rules_and_defaults import Words
from bot.effects import Effects
from bot.gateway.client import read_automod
from bot.word_filter.cache import AutomodCache, WordThread
from bot.word_filter.rules import Hit, WordRules
from tests.word_rules import first_hit

GUILD = 7


def automod_rule(name: str = "Keywords", **changes: Any) -> discord.AutoModRule:
    """Return a rule as Discord sends it."""
    data = {
        "id": "1",
        "guild_id": str(GUILD),
        "name": name,
        "creator_id": "2",
        "event_type": 1,
        "trigger_type": 1,
        "trigger_metadata": {"keyword_filter": ["cat"], "regex_patterns": [], "allow_list": []},
        "actions": [{"type": 1, "metadata": {}}],
        "enabled": True,
        "exempt_roles": [],
        "exempt_channels": [],
        **changes,
    }
    return discord.AutoModRule(data=cast(Any, data), guild=cast(Any, None), state=cast(Any, None))


def http_fault(kind: type[discord.HTTPException], status: int, code: int = 0) -> discord.HTTPException:
    return kind(cast(Any, SimpleNamespace(status=status, reason="")), {"code": code, "message": ""})


FORBIDDEN = http_fault(discord.Forbidden, 403, 50013)
AWAY = http_fault(discord.DiscordServerError, 503)
BUG = ValueError()
CATS = [automod_rule()]
Answer = Sequence[discord.AutoModRule] | Exception


class Discord:
    """Answers reads as told; `gate` holds them back."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answer: Answer = CATS
        self.reads: list[int] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, guild_id: int, thread: WordThread) -> WordRules:
        self.reads.append(guild_id)
        client: Any = SimpleNamespace(get_guild=lambda _guild_id: self)
        return await read_automod(client, guild_id, thread)

    async def fetch_automod_rules(self) -> Sequence[discord.AutoModRule]:
        answer = self.answer
        self.asked.set()
        await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cache(self) -> AutomodCache:
        return AutomodCache(self.read, Effects(monotonic=lambda: self.now))


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> Discord:
    monkeypatch.setattr("bot.word_filter.cache.TIMEOUT_SECONDS", 60)
    return Discord()


async def found(cache: AutomodCache, text: str = "a cat", **words: Any) -> str | None:
    """Return the word that a request is refused for, or the code of the refusal."""
    try:
        hit = await cache.find_hit(GUILD, Words(**words), {"prompt": text}, frozenset(), frozenset())
    except RefusedError as refused:
        return refused.code
    return hit.keyword if hit is not None else None


# How often the rules are read, and the steps: after so many seconds, or after a change of the rules, Discord
# would give this answer, and a request with "cat" gets that.
HISTORIES = {
    "rules are kept for five minutes": (2, "0 cats cat, 240 none cat, 60 none fine"),
    "a refusal is kept for half a minute": (2, "0 forbidden forbidden, 29 cats forbidden, 1 cats cat"),
    "an older copy does for an hour": (4, "0 cats cat, 3540 away cat, 60 bug unavailable, 30 cats cat"),
    "no older copy outlives the permission": (3, "0 cats cat, 300 forbidden forbidden, 300 away unavailable"),
    "no older copy outlives a change": (3, "0 cats cat, change none fine, change away unavailable"),
}
ANSWERS: dict[str, Answer] = {"cats": CATS, "none": [], "forbidden": FORBIDDEN, "away": AWAY, "bug": BUG}
OUTCOMES = {"fine": None, "cat": "cat", **{code: f"words_{code}" for code in ("forbidden", "unavailable")}}


@pytest.mark.parametrize(("reads", "history"), HISTORIES.values(), ids=HISTORIES)
async def test_rules_are_read_again_when_they_may_have_changed(
    world: Discord, reads: int, history: str
) -> None:
    cache = world.cache()
    for step in history.split(", "):
        happens, answer, outcome = step.split()
        if happens == "change":
            cache.invalidate(GUILD)
        else:
            world.now += int(happens)
        world.answer = ANSWERS[answer]
        for _ in range(2):
            assert await found(cache, automod=True) == OUTCOMES[outcome]
    assert len(world.reads) == reads


async def test_a_hundred_requests_at_once_cause_one_read(world: Discord) -> None:
    cache = world.cache()
    world.gate.clear()
    waiting = [asyncio.create_task(found(cache)) for _ in range(100)]
    await world.asked.wait()
    world.gate.set()
    assert all(await asyncio.gather(*waiting))
    assert world.reads == [GUILD]


async def test_nothing_is_read_where_automod_is_off_or_without_text(world: Discord) -> None:
    assert await found(world.cache(), automod=False, blocked=("dog",)) is None
    assert await found(world.cache(), "") is None
    assert world.reads == []


async def test_a_slow_read_refuses_now_and_serves_the_next_request(
    world: Discord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.word_filter.cache.TIMEOUT_SECONDS", 0.01)
    cache = world.cache()
    world.gate.clear()
    assert await found(cache) == "words_unavailable"
    world.gate.set()
    (read,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("automod-")]
    await read
    world.answer = AWAY
    assert first_hit(await cache.automod_rules(GUILD), "cat") is not None
    # While the next read is slow, the older copy does.
    world.gate.clear()
    world.now += 300
    assert first_hit(await cache.automod_rules(GUILD), "cat") is not None
    assert world.reads == [GUILD, GUILD]


async def test_a_read_that_began_before_the_change_is_not_kept(world: Discord) -> None:
    cache = world.cache()
    world.gate.clear()
    before = asyncio.create_task(found(cache))
    await world.asked.wait()
    cache.invalidate(GUILD)
    world.answer = []
    world.gate.set()
    assert await before is not None
    assert await found(cache) is None
    assert len(world.reads) == 2


async def test_only_so_many_servers_are_kept(world: Discord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.word_filter.cache._SERVERS", 2)
    cache = world.cache()
    for guild_id in (1, 2, 3, 3, 2, 1):
        await cache.automod_rules(guild_id)
    assert world.reads == [1, 2, 3, 1]


async def automod_rules(world: Discord, *rules: discord.AutoModRule) -> WordRules:
    world.answer = rules
    return await world.cache().automod_rules(GUILD)


async def test_rules_that_discord_does_not_show_are_reported(world: Discord) -> None:
    presets = {"presets": [1, 2, 3], "allow_list": []}
    rules = await automod_rules(
        world,
        automod_rule("Flagged", trigger_type=4, trigger_metadata=presets),
        automod_rule("Spam", trigger_type=3, trigger_metadata={}),
        automod_rule("Mentions", trigger_type=5, trigger_metadata={"mention_total_limit": 5}),
        automod_rule("New", trigger_type=99, trigger_metadata={}),
        automod_rule("Kept", trigger_metadata={"keyword_filter": ["cat"], "regex_patterns": ["(?=a)"]}),
    )
    assert rules.not_applied == ("Flagged", "Spam", "New", "Kept")
    assert first_hit(rules, "cat") == Hit("Kept", "prompt", "cat")
    # Only enabled rules for messages count.
    rules = await automod_rules(
        world, automod_rule(enabled=False), automod_rule(event_type=2, trigger_type=6)
    )
    assert first_hit(rules, "cat") is None
    assert rules.not_applied == ()
