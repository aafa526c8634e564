"""A server with rules: a review channel, a moderator, and requests that need approval."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.rules import Approval, ServerRules
from bot.store.server_rules import RuleStore
from tests.discord.actors import moderator
from tests.discord.rendered import text_of
from tests.harness import Harness, running_bot

NO_APPROVAL = {"approval": {"mode": "off"}}


async def set_rules(bot: Harness, **rules: Any) -> None:
    """Replace the server's rules."""
    wanted = ServerRules.model_validate(rules)
    await RuleStore(bot.app.store.database).change(bot.guild.id, 1, lambda _: wanted, bot.clock(), "rules")


def mark_adult(bot: Harness, channel: simcord.ChannelHandle, *, marked: bool = True) -> None:
    """Mark a channel as age-restricted in the bot's cache; the offline Discord has no such mark."""
    known = bot.app.bot.get_channel(channel.id)
    assert isinstance(known, discord.TextChannel)
    known.nsfw = marked


@dataclass
class ModeratedServer(Harness):
    """A server whose review cards go to `review`; `mona` has Manage Server."""

    review: simcord.ChannelHandle
    mona: simcord.MemberActor

    async def ask(self, actor: Any = None, **options: Any) -> Any:
        """Send a request and run what follows from it."""
        given = {"prompt": "a fox", "seed": 7, **options}
        result = await (actor or self.alice).slash(self.channel, "generate", **given)
        await self.play()
        return result

    def cards(self) -> list[discord.Message]:
        """Return what moderators see in the review channel, oldest first."""
        found = self.review.history(viewer=self.mona)
        return [message for message in found if not message.flags.ephemeral]

    @property
    def card(self) -> discord.Message:
        return self.cards()[-1]

    @property
    def verdict(self) -> str:
        return text_of(self, self.card)

    async def decide(self, label: str, actor: Any = None) -> Any:
        """Press a button of the newest card and run what follows."""
        result = await (actor or self.mona).click(self.card, label=label)
        await self.play()
        return result

    async def reject(self, reason: str, actor: Any = None) -> Any:
        """Reject the newest card's request for a reason and run what follows."""
        moderator = actor or self.mona
        shown = await moderator.click(self.card, label="Reject")
        result = await moderator.submit_modal(shown, {"reason": reason})
        await self.play()
        return result

    def letters(self, actor: Any = None) -> list[str]:
        """Return the texts of the bot's direct messages to a person."""
        found = (actor or self.alice).user.dm_channel.history()
        return [text_of(self, message) for message in found]


async def moderate(bot: Harness, rules: Mapping[str, Any] | None = None) -> ModeratedServer:
    """Add a moderator and a review channel, and let everybody's requests need approval.

    `rules` are added to that; `approval` in them changes it.
    """
    review = bot.guild.create_text_channel("review")
    parts = {each.name: getattr(bot, each.name) for each in fields(bot)}
    server = ModeratedServer(**parts, review=review, mona=moderator(bot))
    given = {"approval": {}, **(rules or {})}
    approval = Approval(review_channel_id=review.id).model_dump() | {"mode": "everybody"} | given["approval"]
    await set_rules(server, **{**given, "approval": approval})
    return server


@asynccontextmanager
async def moderated_server(
    folder: Path, *, rules: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[ModeratedServer]:
    """Run a bot on a moderated server; `rules` are those of `moderate`, `settings` those of `open_app`."""
    async with running_bot(folder, **settings) as bot:
        yield await moderate(bot, rules)
