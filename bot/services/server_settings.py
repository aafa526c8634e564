"""Read and change the rules of a server for `/settings`. Callers check the member's permission."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.context import App
from bot.domain.errors import InputError, RefusedError
from bot.domain.forms import FormField
from bot.domain.settings.fields import Change, Key, apply_form, form_of, key_of, refilled, without_missing
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.setting_types import Section, SettingsContext

# Discord expects an answer within 3 s, so the panel waits no longer than this for AutoMod's rules.
_AUTOMOD_SECONDS = 1.0
Submitted = Mapping[str, Sequence[str]]
"""The values of a form's fields, by their names."""


@dataclass(frozen=True, slots=True)
class Editor:
    """A member who may change a server's settings. `context` is what they may name (see `with_offered`)."""

    guild_id: int
    user_id: int
    context: SettingsContext


async def read(app: App, editor: Editor) -> tuple[ServerRules, SettingsContext]:
    guild_id = editor.guild_id
    rules, unreadable = await app.store.rules.read(guild_id)
    presets = await app.store.presets.channel_defaults(guild_id)
    context = replace(editor.context, unreadable=unreadable, default_presets=presets)
    if rules.words.automod is False or not context.manages_server:
        return rules, context
    try:
        async with asyncio.timeout(_AUTOMOD_SECONDS):
            known = await app.words.automod_rules(guild_id)
    except TimeoutError:  # the cache continues reading, so the next panel has the rules
        return rules, context
    except RefusedError:
        return rules, replace(context, automod_away=True)
    return rules, replace(context, automod_unread=known.not_applied)


async def form(
    app: App, editor: Editor, section: Section, token: str, draft: str = ""
) -> tuple[Key, Sequence[FormField]]:
    """Return a form's key and fields. Without a draft, as after a restart, it shows the stored rules.

    Raises RefusedError if its role, GPU or deployment doesn't exist.
    """
    key = key_of(section, token, editor.context)
    fields = form_of(section, key, await app.store.rules.get(editor.guild_id), editor.context)
    typed = app.drafts.get(draft, editor.user_id, dict) or {}
    return key, [refilled(field, typed, editor.context) for field in fields]


async def submit(
    app: App, editor: Editor, section: Section, token: str, submitted: Submitted
) -> tuple[Sequence[Change], Sequence[InputError]]:
    """Change the rules with a form. Return the changes, and a mistake for each value that was left out
    because somebody else has changed the same since the form was opened.

    Raises InputErrors with all mistakes if a value is wrong, and RefusedError for an old form.
    """
    key = key_of(section, token, editor.context)
    stale: list[InputError] = []

    def edit(rules: ServerRules) -> ServerRules:
        after, stale[:] = apply_form(section, key, submitted, rules, editor.context)
        return after

    return await _change(app, editor, edit), stale


async def tidy(app: App, editor: Editor) -> Sequence[Change]:
    return await _change(app, editor, lambda rules: without_missing(rules, editor.context))


async def _change(app: App, editor: Editor, edit: Callable[[ServerRules], ServerRules]) -> Sequence[Change]:
    changes = await app.store.rules.change(editor.guild_id, editor.user_id, edit, app.now(), editor.context)
    app.wakeups.wake("rules", "submit")  # a rule may have kept runs waiting
    return changes


def with_offered(app: App, context: SettingsContext) -> SettingsContext:
    """Add what the bot offers to what the gateway knows about the server."""
    deployments = app.catalogue.all()
    unknown = [deployment for deployment in deployments if deployment.expected_gpu(None) is None]
    return replace(
        context,
        least_flagged=app.store.operator.flagged if app.pictures is not None else None,
        deployments={deployment.name: deployment.title for deployment in deployments},
        gpus=tuple(dict.fromkeys(gpu for each in deployments for gpu in each.gpus)),
        gpu_unknown=tuple(deployment.title for deployment in unknown if deployment.gpus),
        gpu_not_offered=tuple(deployment.title for deployment in unknown if not deployment.gpus),
    )
