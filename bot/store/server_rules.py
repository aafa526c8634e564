"""The rules of each server."""

from __future__ import annotations

import logging

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.moderation.rules import ServerRules
from bot.store.tables import server_rules

log = logging.getLogger(__name__)


async def read_rules(connection: AsyncConnection, guild_id: int | None) -> ServerRules:
    """A server's rules in the caller's transaction; the defaults where none were set, and outside servers."""
    if guild_id is None:
        return ServerRules()
    stored = await connection.scalar(select(server_rules.c.rules).where(server_rules.c.guild_id == guild_id))
    if stored is None:
        return ServerRules()
    try:
        return ServerRules.model_validate(stored)
    except ValidationError:
        log.exception("the rules of server %s can't be read", guild_id)
        raise
