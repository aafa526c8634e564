"""A server with rules: a review channel, a moderator, and requests that need approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import discord
import simcord

from bot.domain.settings.rules_and_defaults import Approval, ServerRules
from tests.discord.actors import moderator
from tests.discord.rendered import filled, text_of
from tests.harness import Harness
from tests.questions import insert_rules


async def set_rules(bot: Harness, **rules: Any) -> None:
    """Replace the server's rules."""
    await insert_rules(bot.database, bot.guild.id, ServerRules.model_validate(rules).model_dump(mode="json"))


def midnight(bot: Harness) -> str:
    """Return the time when daily budgets return, as Discord shows it."""
    start = bot.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    return f"<t:{int((start + timedelta(days=1)).timestamp())}:R>"


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
        """Send a request with a known seed and run what follows from it."""
        return await super().ask(actor, **{"seed": 7, **options})

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
        return await self.click(self.card, label, actor or self.mona)

    async def decide_with_reason(self, label: str, reason: str) -> Any:
        """Press a button of the newest card that asks for a reason, give one, and run what follows."""
        shown = await self.mona.click(self.card, label=label)
        chosen = {"reason": reason, **({"duration": "open"} if label == "Block" else {})}
        result = await self.mona.submit_modal(shown, filled(shown.modal) | chosen)
        await self.play()
        return result

    async def reject(self, reason: str) -> Any:
        """Reject the newest card's request for a reason and run what follows."""
        return await self.decide_with_reason("Reject", reason)

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
