"""Notice that Discord is away, and find out when it is back."""

from __future__ import annotations

import logging

from bot.discord_api.calls import DiscordCalls
from bot.domain.breaker import Breaker
from bot.outside import Outside

log = logging.getLogger(__name__)
# After so many calls in a row without an answer, Discord counts as away.
_SILENT_CALLS = 3
AFTER_OUTAGE = 10  # messages a second


class DiscordHealth:
    """This process's view of Discord. A restart loses it, so a few calls may be made in vain.

    `posts` is the number of posts that Discord has answered.
    """

    def __init__(self, discord: DiscordCalls, outside: Outside) -> None:
        self._discord = discord
        self._monotonic = outside.monotonic
        self._breaker = Breaker(outside.random)
        self.posts = 0
        self._silent = 0
        self._recovers = False
        self._second, self._started = 0.0, 0

    @property
    def is_away(self) -> bool:
        return not self._breaker.is_closed

    def pause(self) -> float:
        """Return for how many seconds Discord is left alone: until the next probe during an outage.

        After an outage, messages are paced.
        """
        now = self._monotonic()
        if self.is_away:
            return self._breaker.probe_in(now)
        if self._recovers and now >= self._second + 1:
            self._second, self._started = now, 0
        is_slow = self._recovers and self._started >= AFTER_OUTAGE
        return self._second + 1 - now if is_slow else 0.0

    async def returns(self) -> bool:
        """Ask Discord a cheap question, and return whether it answers."""
        if await self._discord.answers():
            log.info("Discord answers again")
            self.heard()
            return True
        self._breaker.fail(self._monotonic(), "discord")
        return False

    def begin(self) -> None:
        """Count a message that was claimed."""
        self._started += 1

    def nothing_due(self) -> None:
        """End the slow start after an outage."""
        self._recovers = False

    def heard(self, *, posted: bool = False) -> None:
        """Note that Discord answered a call, perhaps a post."""
        self._silent = 0
        self.posts += posted
        if self.is_away:
            self._recovers = True
            self._breaker.close()

    async def not_heard(self) -> bool:
        """Note that Discord didn't answer a call, and return whether it answers a cheap question.

        Then the failure is that of the message, and not an outage.
        """
        self._silent += 1
        if not self.is_away and await self._discord.answers():
            self.heard()
            return True
        self._silent += 1
        if self._silent >= _SILENT_CALLS:
            self._breaker.fail(self._monotonic(), "discord")
        return False
