"""The role that hears of interactions: the services behind commands and buttons, and the bot itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discord import AutoModRule

from bot.client import Desks, GenerateBot
from bot.commands.reach import Reach
from bot.commands.sync import CommandSync
from bot.deployments.catalogue import Reloader
from bot.desk import FrontDesk
from bot.edit.desk import EditDesk
from bot.intake import Intake
from bot.moderation.automod import AutomodCache
from bot.moderation.drafts import Drafts
from bot.moderation.people_desk import PeopleDesk, PeopleStores
from bot.moderation.review_desk import ReviewDesk
from bot.moderation.rules_desk import RulesDesk
from bot.moderation.word_desk import WordDesk
from bot.presets.desk import PresetDesk
from bot.sharding import ShardedBot
from bot.wiring.foundations import Foundations


def gateway_bot(base: Foundations, reloader: Reloader) -> GenerateBot:
    """Not yet logged in. Its commands follow the deployments."""

    async def automod_rules(guild_id: int) -> Sequence[AutoModRule]:
        return await bot.automod_rules(guild_id)

    words = WordDesk(AutomodCache(automod_rules, base.clock), base.store, base.clock)
    desk = _desk(base, words)
    desks = Desks(
        desk=desk,
        reviews=ReviewDesk(base.store, base.catalogue, base.nudges, base.clock),
        rules_desk=RulesDesk(base.store.rules, base.catalogue, base.clock, words.cache),
        words=words,
        people_desk=_people(base),
        edits=EditDesk(base.store, desk, Drafts()),
        presets=PresetDesk(desk, base.store, base.clock),
        reloader=reloader,
    )
    bot = _bot(base, desks)
    reloader.on_change(bot.show_deployments)
    return bot


def _bot(base: Foundations, desks: Desks) -> GenerateBot:
    sync = CommandSync(base.store.notes, base.settings.command_guild_ids)
    shards = base.settings.shards
    more: dict[str, Any] = {
        "reach": Reach(
            direct_messages=base.settings.allow_direct_messages,
            user_installs=base.settings.allow_user_installs,
        ),
        "http_trace": base.metrics.discord_trace(),
    }
    if shards is None:
        return GenerateBot(desks, sync, **more)
    return ShardedBot(desks, sync, shards, base.store.notes, base.clock, **more)


def _desk(base: Foundations, words: WordDesk) -> FrontDesk:
    return FrontDesk(
        catalogue=base.catalogue,
        intake=Intake(base.store, base.nudges, base.operator_rules, base.clock),
        store=base.store,
        nudges=base.nudges,
        check_words=words.check,
        metrics=base.metrics,
        clock=base.clock,
        deadline_seconds=base.settings.run_deadline_seconds,
    )


def _people(base: Foundations) -> PeopleDesk:
    store, catalogue = base.store, base.catalogue
    stores = PeopleStores(
        audit=store.audit,
        blocks=store.blocks,
        pause=store.pause,
        privacy=store.privacy,
        intake=store.intake,
        running=store.running,
    )
    return PeopleDesk(
        stores,
        rules=store.rules.get,
        deployments=lambda: [deployment.name for deployment in catalogue.all()],
        nudges=base.nudges,
        clock=base.clock,
    )
