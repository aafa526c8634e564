"""Find the rules that `/help` shows to a member, and whether a server gets the greeting."""

from __future__ import annotations

from bot.context import App
from bot.domain.access import check_availability
from bot.domain.errors import RefusedError
from bot.domain.policy import Standing
from bot.domain.requests import Actor
from bot.services.preset_inputs import has_gap


async def standing_of(app: App, actor: Actor) -> Standing:
    """Return what the rules of the channel's server mean for this user now."""
    origin = actor.origin
    rules = await app.store.rules.get(origin.guild_id)
    usage = await app.store.usage.today(origin.guild_id, actor.id, app.now())
    default = await app.store.presets.channel_default(origin.guild_id, actor.channel_ids)
    deployment = app.catalogue.get(default.preset.deployment) if default is not None else None
    offered = app.catalogue.all()
    return Standing(
        person=actor.person,
        usage=usage,
        rules=rules,
        deployments=[each.name for each in offered],
        age_restricted=[each.name for each in offered if each.age_restricted],
        gpus=list(dict.fromkeys(gpu for each in offered for gpu in each.gpus if len(each.gpus) > 1)),
        in_server=origin.guild_id is not None,
        age_restricted_channel=origin.age_restricted,
        channel_default=default.preset if default is not None and deployment is not None else None,
        default_has_gap=default is not None
        and deployment is not None
        and has_gap(deployment, default.preset),
    )


async def is_to_be_greeted(app: App, guild_id: int) -> bool:
    """Return whether the bot should introduce itself on a server. This is True once, so the caller does it.

    A server that the operator doesn't allow gets no greeting.
    """
    try:
        check_availability(guild_id, app.operator, user_install=False)
    except RefusedError:
        return False
    return await app.store.key_values.mark(f"greeted {guild_id}")
