"""A server with rules: a review channel, a moderator, and requests that wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import simcord

from bot.rules import Approval, ServerRules
from bot.store.server_rules import RuleStore
from tests.discord.crowd import moderator
from tests.discord.seen import text_of
from tests.stage import Stage, stage

NO_APPROVAL = {"approval": {"mode": "off"}}


async def ruled(s: Stage, **rules: Any) -> None:
    """The server's rules become these."""
    wanted = ServerRules.model_validate(rules)
    await RuleStore(s.app.store.database).change(s.guild.id, 1, lambda _: wanted, s.clock(), "rules")


def mark_adult(s: Stage, channel: simcord.ChannelHandle, *, marked: bool = True) -> None:
    """Discord's age mark on a channel, as the bot has it from the gateway; the offline Discord has none."""
    known = s.app.bot.get_channel(channel.id)
    assert isinstance(known, discord.TextChannel)
    known.nsfw = marked


@dataclass
class Court:
    """`mona` has Manage Server; `review` is the channel of the cards."""

    s: Stage
    review: simcord.ChannelHandle
    mona: simcord.MemberActor

    async def ask(self, actor: Any = None, **options: Any) -> Any:
        """A request, and all that follows from it at once."""
        given = {"prompt": "a fox", "seed": 7, **options}
        result = await (actor or self.s.alice).slash(self.s.channel, "generate", **given)
        await self.s.play()
        return result

    def cards(self) -> list[discord.Message]:
        """What moderators see in the review channel, oldest first."""
        found = self.review.history(viewer=self.mona)
        return [message for message in found if not message.flags.ephemeral]

    @property
    def card(self) -> discord.Message:
        return self.cards()[-1]

    @property
    def verdict(self) -> str:
        return text_of(self.s, self.card)

    async def decide(self, label: str, actor: Any = None) -> Any:
        """A press on the newest card, and all that follows."""
        result = await (actor or self.mona).click(self.card, label=label)
        await self.s.play()
        return result

    async def reject(self, reason: str, actor: Any = None) -> Any:
        who = actor or self.mona
        shown = await who.click(self.card, label="Reject")
        result = await who.submit_modal(shown, {"reason": reason})
        await self.s.play()
        return result

    def letters(self, actor: Any = None) -> list[str]:
        """A person's direct messages from the bot."""
        found = (actor or self.s.alice).user.dm_channel.history()
        return [text_of(self.s, message) for message in found]


@asynccontextmanager
async def court(folder: Path, *, rules: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[Court]:
    """Everybody's requests wait; `rules` beside that, `approval` in them instead of that."""
    async with stage(folder, **more) as s:
        review = s.guild.create_text_channel("review")
        made = Court(s, review, moderator(s))
        approval = Approval(review_channel_id=review.id).model_dump() | {"mode": "everybody"}
        given = dict(rules or {})
        approval |= given.pop("approval", {})
        await ruled(s, approval=approval, **given)
        yield made
