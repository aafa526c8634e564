"""The discord.py client: loads the cogs, syncs changed commands, and reports errors to users."""

from __future__ import annotations

import asyncio
import importlib
import io
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import aiohttp
import discord
from discord import AutoModRuleEventType, AutoModRuleTriggerType, app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.context import App
from bot.delivery.status import Estimator
from bot.discord_api.calls import is_outage
from bot.discord_api.outgoing import component_ids
from bot.domain.errors import BotError, DiscordAway, RefusedError, StoreUnavailable
from bot.domain.messages import Purpose
from bot.gateway.commands import RegisteredCommands
from bot.sentences import explain, say
from bot.services.reloading import Reloader
from bot.services.runs import message_purposes
from bot.ui.custom_ids import Action, CustomId, DraftId, RunId, SaveId
from bot.ui.forms import refused_layout
from bot.ui.message_parts import layout_of
from bot.ui.moderation import DECISIONS
from bot.word_filter.cache import WordThread
from bot.word_filter.rules import WordRule, WordRules

log = logging.getLogger(__name__)
T = TypeVar("T")
IdT = TypeVar("IdT", bound=CustomId)
Handler = Callable[[discord.Interaction[Any], IdT], Awaitable[None]]
# In the extras of an interaction with a deferred answer: whether everybody sees the "thinking…" that has to
# become something else.
THINKING = "thinking"
# How long and how often Discord is asked again to take an answer, while the interaction lasts.
_INSIST_PAUSE, _INSIST_TIMES = 10.0, 80
# discord.py's names for the tasks in which interactions are handled, and how long a stop waits for them.
_HANDLING, _LAST_ANSWERS_SECONDS = ("CommandTree-invoker", "discord.py: on_interaction"), 1.0
# How often a person may ask for something that costs, in so many seconds.
ASKS, ASKS_SECONDS = 10, 60.0
EXTENSIONS = (
    "cogs.generate",
    "cogs.buttons",
    "cogs.moderation",
    "cogs.drafts",
    "cogs.help",
    "cogs.runs",
    "cogs.presets",
    "cogs.settings",
    "cogs.audit",
)
# 10062: answered too late; 40060: answered twice; 10008: the message was deleted meanwhile; 50027: the token
# is invalid or expired.
ANSWERED_TWICE = 40060
_ANSWER_REFUSED = frozenset({10062, ANSWERED_TWICE, 10008, 50027})
# Discord accepts one IDENTIFY per 5 s from each group of shards (shard id modulo max_concurrency), and
# refuses the session of a second one. Processes that start at the same time therefore reserve slots through
# the store. Half a second is added because latency varies.
IDENTIFY_INTERVAL = timedelta(seconds=5.5)
# AutoMod rules that apply to prompts, or don't matter. Of the others, only Discord knows the words.
_KNOWN_RULES = (
    AutoModRuleTriggerType.keyword,
    AutoModRuleTriggerType.mention_spam,
    AutoModRuleTriggerType.member_profile,
)
# The bot has no voice features, so discord.py shouldn't warn about missing voice libraries.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False


class CommandTree(app_commands.CommandTree["GenerateBot"]):
    """The bot's commands, which also answer an autocomplete that none of them knows."""

    async def interaction_check(self, interaction: discord.Interaction[GenerateBot]) -> bool:
        """Answer an autocomplete of an outdated command or option with no suggestions.

        Discord refuses any other answer to it, such as the message of `tell_error`.
        """
        if interaction.type is not discord.InteractionType.autocomplete:
            return True
        options: list[Mapping[str, Any]] = [interaction.data or {}]
        while nested := [each for option in options for each in option.get("options", ())]:
            options = nested
        typed = {option.get("name") for option in options if option.get("focused")}
        command = interaction.command
        known = command.parameters if isinstance(command, app_commands.Command) else ()
        if any(each.autocomplete and each.display_name in typed for each in known):
            return True
        log.warning("received an outdated autocomplete from Discord: %s", ", ".join(map(str, typed)))
        await interaction.response.autocomplete([])
        return False


class PromptHeartbeats(discord.gateway.KeepAliveHandler):
    """Measures the latency from before a heartbeat is sent. A moment later, an answer may already be there,
    and would count from the heartbeat before: "Can't keep up, … 41.3s behind".
    """

    def get_payload(self) -> dict[str, Any]:
        self._last_send = time.perf_counter()  # noqa: TID251  # the clock of discord.py
        return super().get_payload()


discord.gateway.KeepAliveHandler = PromptHeartbeats  # type: ignore[misc]


class GenerateBot(commands.Bot):
    """The bot's client. It uses only the intents for servers and for AutoMod rules.

    It caches neither messages nor members, because interactions carry all the data that it needs.
    """

    app: App

    def __init__(self, **options: Any) -> None:
        intents = discord.Intents.none()
        intents.guilds = True
        intents.auto_moderation_configuration = True
        super().__init__(
            command_prefix=commands.when_mentioned,
            tree_cls=CommandTree,
            help_command=None,
            intents=intents,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
            **options,
        )
        self.tree.error(tell_error)
        self._asked = commands.CooldownMapping[int].from_cooldown(ASKS, ASKS_SECONDS, int)
        # How many requests have no first answer yet, and whether there are none.
        self.unanswered, self.all_answered = 0, asyncio.Event()
        # Cogs add functions that build the commands made from deployments.
        self.builders: list[Callable[[], None]] = []
        self._answers: list[tuple[type[CustomId], Handler[Any], Handler[Any] | None]] = []

    def use(self, app: App) -> None:
        """Take the context, which can't be built before the client that it holds."""
        self.app = app
        self.estimator = Estimator(app)
        self.registered = RegisteredCommands(self.tree, app)
        self.reloader = Reloader(app, self.show_deployments)

    async def setup_hook(self) -> None:
        """Load every cog. An error stops the startup, since a bot that lacks a command would look healthy.

        `load_extension` isn't used, because it executes the modules again for every bot. That would only help
        to reload code, which this bot never does.
        """
        for extension in EXTENSIONS:
            await importlib.import_module(extension).setup(self)
        try:
            await self.show_deployments()
        except DiscordAway as error:
            log.warning("can't sync the commands yet: %s", error)

    async def close(self) -> None:
        """Let interactions be answered, stop the word checks and rule reads, then disconnect from Discord."""
        handling = [task for task in asyncio.all_tasks() if task.get_name() in _HANDLING]
        if handling and not self.is_closed():
            await asyncio.wait(handling, timeout=_LAST_ANSWERS_SECONDS)
        await self.app.words.close()
        await super().close()

    async def show_deployments(self, *, resend: bool = False) -> None:
        """Rebuild and sync the commands; `resend` also sends unchanged ones.

        Raises StoreUnavailable and DiscordAway.
        """
        for build in self.builders:
            build()
        if self.application_id is not None:
            await self.registered.sync(self.application_id, resend=resend)

    def check_rate(self, user_id: int) -> None:
        """Count a request, a report, a copy, or a look at a private result. Raises RefusedError at the limit.

        Those that are refused later count, too, because they add rows to the audit log.
        """
        if self._asked.update_rate_limit(user_id, self.app.effects.monotonic()) is not None:
            raise RefusedError("too_fast")

    def add_handlers(self, codec: type[IdT], press: Handler[IdT], form: Handler[IdT] | None = None) -> None:
        """Register handlers for components and for forms whose custom_id `codec` can read."""
        self._answers.append((codec, press, form))

    async def on_interaction(self, interaction: discord.Interaction[GenerateBot]) -> None:
        """Pass a press or a submitted form to its handler, and answer what no handler of this version knows.

        Handlers are found by the custom_id, so old messages and open forms still work after a restart.
        """
        is_form = interaction.type is discord.InteractionType.modal_submit
        if not is_form and interaction.type is not discord.InteractionType.component:
            return
        data: Mapping[str, Any] = interaction.data or {}
        custom_id = str(data.get("custom_id", ""))
        try:
            for codec, press, form in self._answers:
                handler = form if is_form else press
                if handler is not None and (id := codec.read(custom_id)) is not None:
                    await check_message(interaction, id)
                    await handler(interaction, id)
                    return
            log.warning("received a button or form of another version: %r", custom_id)
            await tell(interaction, say("other_version"))
        except Exception as error:
            await tell_error(interaction, error)

    async def on_automod_rule_create(self, rule: discord.AutoModRule) -> None:
        """Drop a server's cached AutoMod rules. Needs the intent `auto_moderation_configuration`."""
        self.app.words.invalidate(rule.guild.id)

    on_automod_rule_update = on_automod_rule_delete = on_automod_rule_create


async def check_message(interaction: discord.Interaction[Any], id: CustomId) -> None:
    """Raise RefusedError unless the message may hold the pressed component, or the button behind the form.

    A custom_id can be forged, but the message can't. Handlers edit, delete and read the message, so a press
    elsewhere would change someone else's. A message that only this user sees may hold anything. Any other has
    to be the bot's, and about the run that the custom_id names. The handlers answer if that run is gone.
    """
    message, run_key = interaction.message, getattr(id, "key", "")
    if message is None:
        return  # a form that a command opened
    answered = message.interaction_metadata
    if message.flags.ephemeral:
        # As far as Discord says whom the message answers.
        is_valid = answered is None or answered.user.id == interaction.user.id
    elif message.author != interaction.client.user or not run_key:
        is_valid = False
    else:
        answered_id, shown = answered.id if answered else None, component_ids(message)
        purposes = await message_purposes(interaction.client.app, run_key, message.id, answered_id, shown)
        is_valid = purposes is None or any(may_be_on(id, purpose) for purpose in purposes)
    if not is_valid:
        raise RefusedError("message_other", f"a custom_id of {type(id).__name__} in message {message.id}")


def may_be_on(id: CustomId, purpose: Purpose) -> bool:
    """Return whether a run's message of this purpose may hold the component, or the button of the form."""
    action = id.action if isinstance(id, RunId) else None
    if purpose in DECISIONS:
        return action in DECISIONS[purpose] or (purpose is Purpose.REVIEW and action is Action.DETAILS)
    return all(action not in decisions for decisions in DECISIONS.values())


async def read_automod(client: discord.Client, guild_id: int, thread: WordThread) -> WordRules:
    """Fetch a server's AutoMod rules, and compile the enabled message rules in the thread.

    The result's `not_applied` names the rules that can't be applied. A rule that only alerts in Discord
    refuses a request here, since there is no message to show to moderators. Raises RefusedError without the
    permission Manage Server, and discord.HTTPException.
    """
    guild = client.get_guild(guild_id) or await client.fetch_guild(guild_id)
    try:
        rules = await guild.fetch_automod_rules()
    except discord.Forbidden as error:
        if is_outage(error):
            raise
        raise RefusedError("words_forbidden") from None
    active = [rule for rule in rules if rule.enabled and rule.event_type is AutoModRuleEventType.message_send]
    word_rules = [
        WordRule(
            name=rule.name,
            keywords=tuple(rule.trigger.keyword_filter),
            patterns=tuple(rule.trigger.regex_patterns),
            allowed=tuple(rule.trigger.allow_list),
            exempt_roles=frozenset(rule.exempt_role_ids),
            exempt_channels=frozenset(rule.exempt_channel_ids),
        )
        for rule in active
        if rule.trigger.type is AutoModRuleTriggerType.keyword
    ]
    not_applied = [rule.name for rule in active if rule.trigger.type not in _KNOWN_RULES]
    return await thread.run(guild_id, WordRules.compile(word_rules, not_applied=not_applied))


async def tell_error(interaction: discord.Interaction[GenerateBot], error: Exception) -> None:
    """Log an error, and tell the user in one ephemeral sentence."""
    error = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if interaction.client.is_closed():
        log.warning("can't answer an interaction, because the bot stops: %s", error)
        return
    if isinstance(error, discord.HTTPException) and error.code in _ANSWER_REFUSED:
        log.warning("can't answer an interaction: Discord refused with code %s", error.code)
        return
    if isinstance(error, BotError):
        log.info("refused a request of user %s: %s", interaction.user.id, error)
        sentence = explain(error)
    elif isinstance(error, app_commands.CommandSignatureMismatch | app_commands.CommandNotFound):
        log.warning("received an outdated command from Discord: %s", error)
        sentence = "This command has just changed. Please reload Discord and try again."
    else:
        log.error("failed to handle an interaction", exc_info=error)
        sentence = say("internal")
    await tell(interaction, sentence, in_place=isinstance(error, StoreUnavailable))


async def tell_refused(
    interaction: discord.Interaction[GenerateBot], error: BotError, id: DraftId | SaveId
) -> None:
    """Tell the user of an error, with a button that opens the form with what was typed."""
    log.info("refused a request of user %s: %s", interaction.user.id, error)
    possible = int(error.params.get("possible") or 0)
    await tell(interaction, view=refused_layout(explain(error), id, possible))


async def tell(
    interaction: discord.Interaction[GenerateBot],
    sentence: str = "",
    *,
    view: LayoutView | None = None,
    file: tuple[str, bytes | bytearray] | None = None,
    in_place: bool = False,
) -> None:
    """Send an ephemeral sentence or layout, perhaps with a file (its name and content).

    This works whether or not the interaction has been answered. The message takes the place of "thinking…".
    If everybody sees that, it is deleted, and the message follows privately, unless everybody may see it
    (`in_place`). As nothing else would end the "thinking…", this goes on until Discord responds. If Discord
    refuses a layout or a file, the error is raised, so that the user gets a sentence instead.
    """
    public = interaction.extras.pop(THINKING, None)
    send: dict[str, Any] = {"content": sentence} if view is None else {"view": view}
    if file is not None:
        send["file"] = discord.File(io.BytesIO(file[1]), file[0])
    send["ephemeral"] = True
    try:
        if public is None and not interaction.response.is_done():
            await interaction.response.send_message(**send)
        elif public is None:
            await interaction.followup.send(**send)
        elif in_place or not public:
            # A layout, because a messenger may turn it into the status message.
            await insist(partial(interaction.edit_original_response, view=view or layout_of(sentence)))
        else:
            with suppress(discord.NotFound):
                await insist(interaction.delete_original_response)
            await insist(partial(interaction.followup.send, **send))
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        if view is not None or file is not None:
            raise
        log.warning("can't answer the user: %s: %s", type(error).__name__, error)


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call that does no harm twice, until Discord responds to it or the interaction has ended."""
    for _ in range(_INSIST_TIMES):
        try:
            return await call()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            if isinstance(error, discord.HTTPException) and not is_outage(error):
                raise
        await asyncio.sleep(_INSIST_PAUSE)
    return await call()


class ShardedBot(commands.AutoShardedBot, GenerateBot):
    _max_concurrency: int | None = None

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait until this shard may identify. The bot's processes reserve their turns in the store."""
        now = self.app.now()
        if self._max_concurrency is None:
            try:
                self._max_concurrency = max(1, (await self.fetch_session_start_limits()).max_concurrency)
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.warning("can't read max_concurrency from Discord: %s", error)
        group = (shard_id or 0) % (self._max_concurrency or 1)
        try:
            slot = await self.app.store.key_values.reserve_slot(f"identify:{group}", now, IDENTIFY_INTERVAL)
        except StoreUnavailable as error:
            log.warning("can't reserve a slot to identify shard %s: %s", shard_id, error)
            slot = now + IDENTIFY_INTERVAL
        await asyncio.sleep(max(0.0, (slot - now).total_seconds()))


class RestClient(discord.Client):
    """A client without a gateway connection, for processes that only make HTTP calls.

    Its cache stays empty, so nothing may rely on it.
    """

    def __init__(self, http_trace: aiohttp.TraceConfig) -> None:
        super().__init__(
            # Sent to nobody, but discord.py warns about a client without it.
            intents=discord.Intents(guilds=True),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            http_trace=http_trace,
        )


def missing_starts(limits: Mapping[str, Any], needed: int) -> int | None:
    """Return the minutes until Discord grants so many session starts, or None if it does now."""
    if int(limits.get("remaining", 1000)) >= needed:
        return None
    return int(limits.get("reset_after", 0)) // 60_000 + 1
