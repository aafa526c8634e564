"""Find the rules that `/help` shows to a member."""

from __future__ import annotations

from bot.context import App
from bot.domain.policy import Standing
from bot.domain.requests import Actor
from bot.services.presets import defaults_of


async def standing_of(app: App, actor: Actor) -> Standing:
    """Return what the rules of the channel's server mean for this user now."""
    origin = actor.origin
    rules = await app.store.rules.get(origin.guild_id)
    usage = await app.store.usage.today(origin.guild_id, actor.id, app.now())
    defaults = await defaults_of(app, actor)
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
        defaults=[each for each in defaults if app.catalogue.get(each.deployment) is not None],
    )
