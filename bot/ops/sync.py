"""`python -m bot sync`: compare the commands with Discord's, and replace those of each scope that differs."""

from __future__ import annotations

from typing import TextIO

from bot.app import build
from bot.config.roles import Role
from bot.config.settings import Settings
from bot.domain.errors import StartupError
from bot.gateway.client import GenerateBot
from bot.gateway.sync import Differences, describe_scope, differences, payload
from bot.ops.discord_http import DiscordApi, DiscordFault, discord_api
from bot.outside import Outside

_MISSING_ACCESS = 50001


async def resync(settings: Settings, outside: Outside, out: TextIO) -> int:
    """Sync every scope and print what changed. Return 1 if Discord refused a scope, otherwise 0.

    Raises StartupError if the bot can't be built, or if Discord doesn't return its application.
    """
    # Only the gateway role has the commands. It never connects here, and other roles are left out.
    settings = settings.model_copy(update={"roles": frozenset({Role.GATEWAY})})
    async with build(settings, outside) as process, discord_api(settings.discord_token) as api:
        bot = process.bot
        await bot.load_cogs()
        try:
            application_id = int((await api.application())["id"])
        except DiscordFault as error:
            raise StartupError(f"Discord doesn't accept DISCORD_TOKEN, or can't be asked: {error}.") from None
        bot.sync.arrange(bot.tree)
        scopes = bot.sync.scopes(await bot.sync.synced(application_id))
        refused = [scope for scope in scopes if not await _sync_scope(bot, api, application_id, scope, out)]
    return 1 if refused else 0


async def _sync_scope(
    bot: GenerateBot, api: DiscordApi, application_id: int, scope: str, out: TextIO
) -> bool:
    tree = bot.tree
    expected = payload(tree, scope)
    try:
        difference = differences(expected, await api.commands(application_id, scope))
        if difference:
            await api.put_commands(application_id, scope, expected)
    except DiscordFault as error:
        reason = (
            "the bot is not there, or was invited without commands"
            if error.code == _MISSING_ACCESS
            else error
        )
        out.write(f"{describe_scope(scope)}: not synced: {reason}\n")
        return False
    await bot.sync.mark_synced(tree, application_id, scope)
    out.write(f"{describe_scope(scope)}: {_changes(difference)}\n")
    return True


def _changes(difference: Differences) -> str:
    parts = (
        ("added", difference.missing),
        ("changed", difference.changed),
        ("removed", difference.left_over),
    )
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names) or "nothing to change"
