"""The servers of a chaos run, with their people: ordinary, hostile, and with approval of every request."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import discord

from bot.domain.settings.rules_and_defaults import Approval, ApprovalMode, ServerRules
from bot.strings import say
from tests.bench.hostile import PATTERNS
from tests.databases import Database
from tests.fakediscord.actions import CannotSend
from tests.fakediscord.errors import Json
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import MODERATOR, Guild, Message, User
from tests.questions import insert_rules

FORBIDDEN = "forbidden"
# The fake Discord's application belongs to this user.
_OWNER_ID = 1
_ANSWER_SECONDS = 2.0
_PRESS_AGAIN = 1.0


class Servers:
    """The three servers. `people` are members of the ordinary and the reviewed server."""

    def __init__(self, discord: FakeDiscord) -> None:
        self._discord = discord
        self.ordinary = with_automod(discord, "Chaos", {"keyword_filter": [FORBIDDEN]})
        self.people = [discord.add_user(name, self.ordinary) for name in ("alice", "bob", "carol")]
        self.hostile = with_automod(
            discord,
            "Bombs",
            {
                "keyword_filter": ["a" * length for length in range(2, 60)],
                # The forbidden word comes last, so it is found only after the slow patterns.
                "regex_patterns": [*PATTERNS, FORBIDDEN],
                "allow_list": ["*a*"],
            },
        )
        self.mallory = discord.add_user("mallory", self.hostile)
        self.reviewed = discord.add_guild("Reviewed")
        for person in self.people:
            discord.join(self.reviewed, person)
        self.mona = discord.add_user("mona", self.reviewed, permissions=MODERATOR)
        self.cards = discord.add_text(self.reviewed, "review")
        self.owner = User(_OWNER_ID, "owner")
        discord.world.users[self.owner.id] = self.owner
        self.may_be_paused = False
        self._pressed: dict[int, float] = {}

    async def store_rules(self, database: Database) -> None:
        """Require approval for every request on the reviewed server."""
        approval = Approval(mode=ApprovalMode.EVERYBODY, review_channel_id=self.cards.id)
        rules = ServerRules(approval=approval)
        await insert_rules(database, self.reviewed.id, rules.model_dump(mode="json"))

    async def pause(self) -> bool:
        """Pause the bot as its owner; return whether the bot confirmed it."""
        self.may_be_paused = True
        return say("pause_done", reason="chaos") in await self._say_as_owner("pause", reason="chaos")

    async def resume(self) -> None:
        """Resume the bot as its owner. `may_be_paused` says whether it has to be repeated."""
        told = await self._say_as_owner("resume")
        self.may_be_paused = told not in (say("resume_done"), say("resume_nothing"))

    async def _say_as_owner(self, command: str, **options: object) -> str:
        try:
            sent = await self._discord.slash(self.owner, self._discord.dm(self.owner), command, options)
            return (await sent.wait_answer(_ANSWER_SECONDS)).text
        except (CannotSend, TimeoutError):
            return ""

    def open_cards(self) -> list[Message]:
        """Return the cards that await a decision."""
        cards = self._discord.messages(self.cards)
        return [card for card in cards if any(item.endswith(":approve") for item in card.custom_ids)]

    async def decide(self, card: Message, label: str = "Approve") -> Interaction | None:
        """Press a button of a card as Mona, and give a reason for a rejection."""
        self._pressed[card.id] = time.monotonic()
        try:
            pressed = await self._discord.click(self.mona, card, label)
            if label == "Reject":
                await pressed.wait_answer(_ANSWER_SECONDS)
                await self._discord.submit(pressed, {"reason": "not here"})
        except (CannotSend, TimeoutError):
            return None
        return pressed

    def forget_cards(self) -> None:
        """Drop all cards, whose runs have been checked."""
        self.cards.messages.clear()
        self._pressed.clear()

    async def decide_the_rest(self) -> None:
        """Approve each open card as Mona, again after a second if it stays open."""
        for card in self.open_cards():
            if time.monotonic() - self._pressed.get(card.id, 0) > _PRESS_AGAIN:
                await self.decide(card)


def with_automod(server: FakeDiscord, name: str, *triggers: Mapping[str, Sequence[str]]) -> Guild:
    """Add a server with an AutoMod rule, which the bot may read, for each trigger."""
    guild = server.add_guild(name)
    guild.bot_permissions |= discord.Permissions(manage_guild=True).value
    for trigger in triggers:
        guild.automod.append(_automod_rule(server.world.snowflake(), guild, trigger))
    return guild


def _automod_rule(rule_id: int, guild: Guild, trigger: Mapping[str, Sequence[str]]) -> Json:
    empty: dict[str, Sequence[str]] = {
        "keyword_filter": [],
        "regex_patterns": [],
        "allow_list": [],
        "presets": [],
    }
    return {
        "id": str(rule_id),
        "guild_id": str(guild.id),
        "name": "words",
        "creator_id": "1",
        "event_type": 1,
        "trigger_type": 1,
        "trigger_metadata": {**empty, **trigger},
        "actions": [{"type": 1, "metadata": {}}],
        "enabled": True,
        "exempt_roles": [],
        "exempt_channels": [],
    }
