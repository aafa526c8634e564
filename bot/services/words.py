"""Check a request's texts against the server's own list and its AutoMod rules.

If the bot lacks Manage Server, it can't read the AutoMod rules. They are then ignored, or the request is
refused with `words_forbidden` if the server's settings require them. If Discord doesn't return the rules
although the bot has the permission, or if the check takes too long, the request is refused with
`words_unavailable`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.requests import Actor
from bot.domain.runs import Run
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text import shorten
from bot.words import cache as word_rules

log = logging.getLogger(__name__)
# How many characters of a refused text the audit log keeps, and what it calls the list in `/settings`.
_QUOTED, _OWN_LIST = 300, "The bot's own list"


async def check_words(
    app: App,
    actor: Actor,
    run: Run,
    rules: ServerRules,
    texts: Mapping[str, str],
    *,
    quoted: bool = False,
) -> None:
    """Raise RefusedError if a text of a run has a word that the server's `rules` forbid.

    The audit log records that, with `quoted` with the beginning of that text for the moderators. The same
    happens if required AutoMod rules can't be read, or if the check takes too long.
    """
    guild_id = actor.origin.guild_id
    if guild_id is None:
        return
    details: dict[str, object] = {}
    try:
        async with asyncio.timeout(word_rules.TIMEOUT_SECONDS):
            exempt = (actor.person.role_ids, actor.channel_ids)
            hit = await app.words.find_hit(guild_id, rules.words, texts, *exempt)
        if hit is None:
            return
        details = {"rule": hit.rule or _OWN_LIST, "word": hit.keyword, "option": hit.option}
        details |= {"prompt": shorten(texts[hit.option], _QUOTED)} if quoted else {}
        refused = RefusedError("words_refused", option=hit.option)
    except TimeoutError:
        log.warning("stopped a check of server %s: its word rules took too long", guild_id)
        refused = RefusedError("words_unavailable", "the rules took too long")
    except RefusedError as error:
        refused = error
    log.info("refused a request of user %s: %s, rule %r", actor.id, refused.code, details.get("rule"))
    await app.store.requests.record_refusal(run, refused.code, app.now(), details)
    raise refused
