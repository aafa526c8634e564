"""Reading a server's AutoMod rules: once for concurrent requests, kept for a while, never skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.domain.errors import RefusedError
from bot.domain.requests import Actor, ChannelState
from bot.domain.settings.kinds import NotApplied
from bot.domain.settings.rules_and_defaults import ServerRules, Words
from bot.gateway.guild import compile_automod, read_automod
from bot.outside import Outside
from bot.words.cache import AutomodCache, WordThread
from bot.words.rules import Hit, WordRules
from tests.contract.store.runs import PERSON
from tests.unit.domain.policy_cases import place
from tests.word_rules import finish, first_hit

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


class Discord:
    """Answers reads as told; `gate` holds them back."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.rules: Sequence[discord.AutoModRule] = [automod_rule()]
        self.fault: Exception | None = None
        self.reads: list[int] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, guild_id: int, thread: WordThread) -> WordRules:
        self.reads.append(guild_id)
        client: Any = SimpleNamespace(get_guild=lambda _guild_id: self)
        return await read_automod(client, guild_id, thread)

    async def fetch_automod_rules(self) -> Sequence[discord.AutoModRule]:
        rules, fault = self.rules, self.fault
        self.asked.set()
        await self.gate.wait()
        if fault is not None:
            raise fault
        return rules

    def clock(self) -> datetime:
        return self.now

    def cache(self, **options: Any) -> AutomodCache:
        return AutomodCache(self.read, Outside(now=self.clock), **{"timeout": 60, **options})


@pytest.fixture
async def world() -> Discord:
    return Discord()


async def hit(cache: AutomodCache, text: str = "a cat", **words: Any) -> Hit | None:
    origin = place(GUILD)
    actor = Actor(PERSON, origin, frozenset(), lambda _channel_id: ChannelState())
    rules = ServerRules(words=Words(**words))
    exempt = (actor.person.role_ids, actor.channel_ids)
    return await cache.find_hit(actor.origin.guild_id or 0, rules.words, {"prompt": text}, *exempt)


async def refusal(cache: AutomodCache) -> str:
    with pytest.raises(RefusedError) as refused:
        await hit(cache, automod=True)
    return refused.value.code


async def test_rules_are_read_once_and_again_after_five_minutes(world: Discord) -> None:
    cache = world.cache()
    assert await hit(cache) == Hit("Keywords", "prompt", "cat")
    assert await hit(cache, "a fox") is None
    assert world.reads == [GUILD]
    world.now += timedelta(minutes=5)
    world.rules = []
    assert await hit(cache) is None
    assert world.reads == [GUILD, GUILD]


async def test_a_hundred_requests_at_once_cause_one_read(world: Discord) -> None:
    cache = world.cache()
    world.gate.clear()
    waiting = [asyncio.create_task(hit(cache)) for _ in range(100)]
    await world.asked.wait()
    world.gate.set()
    assert all(await asyncio.gather(*waiting))
    assert world.reads == [GUILD]


@pytest.mark.parametrize("words", [{"automod": False}, {"automod": False, "blocked": ("dog",)}])
async def test_nothing_is_read_where_automod_is_off_or_without_text(
    world: Discord, words: dict[str, Any]
) -> None:
    world.fault = FORBIDDEN
    assert await hit(world.cache(), **words) is None
    assert await hit(world.cache(), "") is None
    assert world.reads == []


async def test_without_manage_server_requests_are_refused_and_asking_rests_half_a_minute(
    world: Discord,
) -> None:
    cache = world.cache()
    world.fault = FORBIDDEN
    for _ in range(5):
        assert await refusal(cache) == "words_forbidden"
    assert world.reads == [GUILD]
    world.fault = None
    world.now += timedelta(seconds=30)
    assert await hit(cache) is not None


@pytest.mark.parametrize(
    "fault",
    [
        AWAY,
        http_fault(discord.NotFound, 404),
        ConnectionResetError(),
        TimeoutError(),
        ValueError("unreadable"),
    ],
)
async def test_rules_that_never_could_be_read_refuse_the_request(world: Discord, fault: Exception) -> None:
    world.fault = fault
    assert await refusal(world.cache()) == "words_unavailable"


async def test_if_discord_fails_an_older_copy_does_for_an_hour(world: Discord) -> None:
    cache = world.cache()
    await hit(cache)
    world.fault = AWAY
    world.now += timedelta(minutes=59)
    assert await hit(cache) is not None
    world.now += timedelta(minutes=1)
    assert await refusal(cache) == "words_unavailable"
    world.fault = None
    world.now += timedelta(seconds=30)
    assert await hit(cache) is not None


async def test_an_older_copy_does_not_outlive_the_permission(world: Discord) -> None:
    cache = world.cache()
    await hit(cache)
    for world.fault, code in ((FORBIDDEN, "words_forbidden"), (AWAY, "words_unavailable")):
        world.now += timedelta(minutes=5)
        assert await refusal(cache) == code


def reading() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("automod-")]


async def test_a_slow_read_refuses_now_and_serves_the_next_request(world: Discord) -> None:
    cache = world.cache(timeout=0.01)
    world.gate.clear()
    assert await refusal(cache) == "words_unavailable"
    world.gate.set()
    (read,) = reading()
    await read
    world.fault = AWAY
    assert first_hit(await cache.automod_rules(GUILD), "cat") is not None
    assert world.reads == [GUILD]


async def test_changed_rules_are_read_at_once_and_no_older_copy_does(world: Discord) -> None:
    cache = world.cache()
    await hit(cache)
    world.rules = []
    cache.invalidate(GUILD)
    assert await hit(cache) is None
    cache.invalidate(GUILD)
    world.fault = AWAY
    assert await refusal(cache) == "words_unavailable"


async def test_a_read_that_began_before_the_change_is_not_kept(world: Discord) -> None:
    cache = world.cache()
    world.gate.clear()
    before = asyncio.create_task(hit(cache))
    await world.asked.wait()
    cache.invalidate(GUILD)
    world.rules = []
    world.gate.set()
    assert await before is not None
    assert await hit(cache) is None
    assert len(world.reads) == 2


def automod_rules(*rules: discord.AutoModRule) -> WordRules:
    return finish(compile_automod(rules))


def test_rules_that_discord_does_not_show_are_reported() -> None:
    presets = {"presets": [1, 2, 3], "allow_list": []}
    rules = automod_rules(
        automod_rule("Flagged", trigger_type=4, trigger_metadata=presets),
        automod_rule("Spam", trigger_type=3, trigger_metadata={}),
        automod_rule("Mentions", trigger_type=5, trigger_metadata={"mention_total_limit": 5}),
        automod_rule("New", trigger_type=99, trigger_metadata={}),
        automod_rule("Kept", trigger_metadata={"keyword_filter": ["cat"], "regex_patterns": ["(?=a)"]}),
    )
    assert set(rules.not_applied) == {
        NotApplied("automod_preset", "Flagged"),
        NotApplied("automod_spam", "Spam"),
        NotApplied("automod_unknown", "New"),
        NotApplied("regex_unsupported", "Kept"),
    }
    assert first_hit(rules, "cat") == Hit("Kept", "prompt", "cat")
    # Only enabled rules for messages count.
    rules = automod_rules(automod_rule(enabled=False), automod_rule(event_type=2, trigger_type=6))
    assert first_hit(rules, "cat") is None
    assert rules.not_applied == ()


async def test_rules_and_faults_from_before_the_clock_was_set_back_are_read_again(world: Discord) -> None:
    cache = world.cache()
    assert await hit(cache) is not None
    world.now -= timedelta(days=1)
    world.fault = AWAY
    assert await refusal(cache) == "words_unavailable"
    world.now -= timedelta(days=1)
    world.fault = None
    assert await hit(cache) is not None


async def test_if_discord_is_slow_an_older_copy_does(world: Discord) -> None:
    cache = world.cache(timeout=0.5)
    assert await hit(cache) is not None
    world.gate.clear()
    world.now += timedelta(minutes=5)
    assert await hit(cache) is not None
    assert world.reads == [GUILD, GUILD]


async def test_only_so_many_servers_are_kept(world: Discord) -> None:
    cache = world.cache(size=2)
    for guild_id in (1, 2, 3, 3, 2, 1):
        await cache.automod_rules(guild_id)
    assert world.reads == [1, 2, 3, 1]
