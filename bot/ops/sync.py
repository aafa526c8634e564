"""`python -m bot sync`: compares with what Discord has, instead of with what was synced last."""

from __future__ import annotations

from typing import TextIO

from bot.app import App, build
from bot.config.roles import Role
from bot.config.settings import Settings
from bot.domain.errors import StartupError
from bot.gateway.sync import Differences, differences, payload, told
from bot.ops.discord_http import DiscordApi, DiscordFault, discord_api

_MISSING_ACCESS = 50001


async def resync(settings: Settings, out: TextIO) -> int:
    """Says what changed in each place. 1 when Discord refused one. Raises StartupError."""
    # A gateway that never connects: it has the commands, and leaves the other roles' work alone.
    settings = settings.model_copy(update={"roles": frozenset({Role.GATEWAY})})
    async with build(settings) as app, discord_api(settings.discord_token) as api:
        await app.bot.load_cogs()
        try:
            application_id = int((await api.application())["id"])
        except DiscordFault as error:
            raise StartupError(f"Discord doesn't accept DISCORD_TOKEN, or can't be asked: {error}.") from None
        app.bot.sync.arrange(app.bot.tree)
        places = app.bot.sync.places(await app.bot.sync.known(application_id))
        refused = [place for place in places if not await _place(app, api, application_id, place, out)]
    return 1 if refused else 0


async def _place(app: App, api: DiscordApi, application_id: int, place: str, out: TextIO) -> bool:
    tree = app.bot.tree
    wanted = payload(tree, place)
    try:
        found = differences(wanted, await api.commands(application_id, place))
        if found:
            await api.put_commands(application_id, place, wanted)
    except DiscordFault as error:
        why = (
            "the bot is not there, or was invited without commands"
            if error.code == _MISSING_ACCESS
            else error
        )
        out.write(f"{told(place)}: not synced: {why}\n")
        return False
    await app.bot.sync.note(tree, application_id, place)
    out.write(f"{told(place)}: {_changes(found)}\n")
    return True


def _changes(found: Differences) -> str:
    parts = (("added", found.missing), ("changed", found.changed), ("removed", found.surplus))
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names) or "nothing to change"
