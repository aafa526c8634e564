"""A moderated stage: rules set as `/settings` stores them, a review channel, a moderator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import simcord

from bot.moderation.rules import Approval, ApprovalMode, ServerRules
from bot.store.server_rules import RuleStore
from tests.discord.crowd import moderator
from tests.discord.seen import text_of
from tests.stage import Stage


async def set_rules(s: Stage, **changes: Any) -> None:
    """Replaces whole sections of the server's rules."""
    await RuleStore(s.app.store.database).change(
        s.guild.id,
        1,
        lambda rules: ServerRules.model_validate({**rules.model_dump(), **changes}),
        s.clock(),
        "test",
    )


@dataclass
class Review:
    """Where moderators decide."""

    stage: Stage
    channel: simcord.ChannelHandle
    mona: simcord.MemberActor

    def card(self) -> Any:
        """The newest card, as the moderator sees it."""
        return [m for m in self.channel.history(viewer=self.mona) if not m.flags.ephemeral][-1]

    def text(self) -> str:
        return text_of(self.stage, self.card())


async def review(s: Stage, mode: ApprovalMode = ApprovalMode.EVERYBODY, **more: Any) -> Review:
    """Approval switched on, with a channel and a moderator."""
    channel = s.guild.create_text_channel("review")
    await set_rules(s, approval=Approval(mode=mode, review_channel_id=channel.id, **more).model_dump())
    return Review(s, channel, moderator(s))
