"""Looks a request's texts over before anything else is done with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from bot.domain.errors import RefusedError
from bot.domain.records import AuditAction, AuditEntry
from bot.domain.requests import Asker
from bot.domain.rules import ServerRules
from bot.moderation.automod import AutomodCache, word_check
from bot.moderation.words import Hit
from bot.store import Store

log = logging.getLogger(__name__)


class WordDesk:
    """The server's AutoMod rules and its own list. A hit is told without the word, and noted with it."""

    def __init__(self, cache: AutomodCache, store: Store, clock: Callable[[], datetime]) -> None:
        self.cache = cache
        self._store = store
        self._clock = clock

    async def check(self, asker: Asker, deployment: str, texts: Mapping[str, str]) -> None:
        """Raises RefusedError for a hit, and where the rules can't be read; that stands in the record too."""
        guild_id = asker.origin.guild_id
        if guild_id is None:
            return
        rules = await self._store.rules.current(guild_id)
        try:
            hit = await self._hit(asker, guild_id, rules, texts)
        except RefusedError as unread:
            await self._note(asker, guild_id, deployment, unread.code)
            raise
        if hit is not None:
            details = {"rule": hit.rule, "word": hit.keyword, "option": hit.option}
            await self._note(asker, guild_id, deployment, "words_refused", details)
            raise RefusedError("words_refused", option=hit.option)

    async def _hit(
        self, asker: Asker, guild_id: int, rules: ServerRules, texts: Mapping[str, str]
    ) -> Hit | None:
        try:
            return await word_check(
                self.cache,
                rules,
                guild_id,
                role_ids=asker.person.role_ids,
                channel_ids=asker.channel_ids,
                texts=texts,
            )
        except RefusedError as error:
            if error.code == "words_forbidden" and rules.words.automod is None:
                # Nobody asked for AutoMod here, and the bot was not given the right to read it.
                return None
            raise

    async def _note(
        self,
        asker: Asker,
        guild_id: int,
        deployment: str,
        code: str,
        details: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        log.info("%s for %s, rule %r", code, asker.person.id, details.get("rule"))
        await self._store.audit.add(
            AuditEntry(
                at=self._clock(),
                guild_id=guild_id,
                actor_id=asker.person.id,
                subject_id=asker.person.id,
                action=AuditAction.REFUSAL,
                deployment=deployment,
                outcome=code,
                details=details,
            )
        )
