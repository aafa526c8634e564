"""`python -m bot sync`: compare the commands with Discord's, and replace those of each scope that differs."""

from __future__ import annotations

from typing import TextIO

from bot.app import build
from bot.config.fields import Role
from bot.config.settings import Settings
from bot.domain.errors import StartupError
from bot.gateway.client import GenerateBot
from bot.gateway.commands import describe_scope, differences, payload
from bot.ops.check_discord import ERRORS, MISSING_ACCESS, ask, log_in, reason, registered
from bot.outside import Outside


async def resync(settings: Settings, outside: Outside, out: TextIO) -> int:
    """Sync every scope and print what changed. Return 1 if Discord refused a scope, otherwise 0.

    Raises StartupError if the bot can't be built, or if Discord doesn't return its application.
    """
    # Only the gateway role has the commands. It never connects here, and other roles are left out.
    settings = settings.model_copy(update={"roles": frozenset({Role.GATEWAY})})
    async with build(settings, outside) as process, process.bot as bot:
        await bot.load_cogs()
        try:
            _, application_id = await log_in(bot, settings.discord_token.get_secret_value())
        except ERRORS as error:
            raise StartupError(
                f"Discord doesn't accept DISCORD_TOKEN, or can't be asked: {reason(error)}."
            ) from None
        bot.sync.arrange(bot.tree)
        scopes = bot.sync.scopes(await bot.sync.synced(application_id))
        refused = [scope for scope in scopes if not await _sync_scope(bot, application_id, scope, out)]
    return 1 if refused else 0


async def _sync_scope(bot: GenerateBot, application_id: int, scope: str, out: TextIO) -> bool:
    where, expected = describe_scope(scope), payload(bot.tree, scope)
    try:
        difference = differences(expected, await registered(bot, application_id, scope))
        if difference and scope == "global":
            await ask(bot.http.bulk_upsert_global_commands(application_id, expected))
        elif difference:
            await ask(bot.http.bulk_upsert_guild_commands(application_id, int(scope), expected))
    except ERRORS as error:
        refused = getattr(error, "code", None) == MISSING_ACCESS
        why = "the bot is not there, or was invited without commands" if refused else reason(error)
        out.write(f"{where}: not synced: {why}\n")
        return False
    await bot.sync.mark_synced(bot.tree, application_id, scope)
    parts = {"added": difference.missing, "changed": difference.changed, "removed": difference.left_over}
    changes = "; ".join(f"{word} {', '.join(names)}" for word, names in parts.items() if names)
    out.write(f"{where}: {changes or 'nothing to change'}\n")
    return True
