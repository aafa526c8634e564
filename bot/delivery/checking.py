"""Decide what a message may show: by the age marks of deployments and channels now, and by a picture check.

Functions that ask Discord raise Unanswered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.context import App
from bot.delivery.step import Step, Superseded
from bot.discord_api.calls import Unreachable
from bot.domain.errors import RefusedError
from bot.domain.messages import MAX_FAILURES, OUTCOMES, Claim, Place
from bot.domain.picture_check import FORBIDDEN_WORD, Flagged, Labels, Verdict, numbers_with, verdicts_on
from bot.domain.policy import check_of
from bot.domain.runs import Output, Run
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text.file_names import is_file
from bot.ui.message_parts import PreparedOutputs

log = logging.getLogger(__name__)


async def withheld_at(app: App, claim: Claim) -> Collection[Place]:
    """Return the places that may not show the result of an outcome, decided once for all of them.

    A channel shows an age-restricted result only if the channel is age-restricted now.
    """
    if claim.message.kind not in OUTCOMES or not claim.shown:
        return ()
    run = claim.run
    marked = app.catalogue.is_marked(run)
    if not run.is_restricted(marked):
        return ()
    is_open = await _is_age_restricted(app, run, otherwise=not marked)
    return [place for place in Place if (marked if place is Place.DIRECT else not is_open)]


async def hides(app: App, run: Run, channel_id: int | None) -> bool:
    """Return whether a channel, by default that of the request, may not show a result.

    If the channel is gone or closed to the bot, what was stored with the run decides.
    """
    is_open = await _is_age_restricted(app, run, channel_id, otherwise=False)
    return not is_open and await applies(app, run)


async def applies(app: App, run: Run) -> bool:
    """Return whether a result may be shown only in age-restricted channels."""
    if run.is_restricted(app.catalogue.is_marked(run)):
        return True
    return await _is_age_restricted(app, run, otherwise=False)


async def _is_age_restricted(app: App, run: Run, channel_id: int | None = None, *, otherwise: bool) -> bool:
    """Return whether a channel, by default that of the request, is age-restricted now.

    A user install's channel can't be read, so its mark at the time of the request has to suffice. If the bot
    can't read any other channel, this returns `otherwise`.
    """
    if run.user_install:
        return run.channel_age_restricted
    try:
        return await app.discord.is_age_restricted(channel_id or run.channel_id)
    except Unreachable as error:
        log.info("can't read a channel's age restriction: %s", error)
        return otherwise


async def look(app: App, step: Step, folder: Path, deadline: float) -> Mapping[str, PreparedOutputs] | None:
    """Check the outputs of a claimed message that nobody has seen, and store the verdicts.

    Returns the prepared outputs of the runs that may be shown as they are, or None if something is held or
    hidden, so that what the message shows has to be decided again.
    """
    unchecked = [run for run in step.claim.shown if run.to_check and run.verdicts is None]
    if not unchecked:
        return {}
    rules = await app.store.rules.get(step.claim.first.guild_id)
    prepared, checked, message = dict[str, PreparedOutputs](), list[Run](), step.claim.message
    last_try = message.failures >= MAX_FAILURES  # the present attempt counts
    for run in unchecked:
        restricted = await _is_age_restricted(app, run, otherwise=run.channel_age_restricted)
        check = check_of(run, rules, app.store.operator, age_restricted=restricted)
        if check.flagged is Flagged.OFF:
            checked.append(replace(run, verdicts={}))
            continue
        outputs = await app.outputs.prepare(
            replace(run, to_check=False), run.upload_limit, folder, last_try=last_try, deadline=deadline
        )
        labels = await _labels(app, run, rules, outputs, deadline)
        verdicts = verdicts_on(labels, check)
        if not verdicts:
            prepared[run.key] = outputs
        spoiler = run.spoiler or bool(numbers_with(verdicts, Verdict.SPOILER))
        checked.append(replace(run, verdicts=verdicts, spoiler=spoiler))
    until = app.now() + timedelta(hours=rules.approval.hours)
    if not await app.store.messages.checked(
        step.claim, checked, app.now(), until, rules.approval.review_channel_id
    ):
        raise Superseded
    newest = {run.key: run for run in checked}
    step.claim = replace(step.claim, runs=[newest.get(run.key, run) for run in step.claim.runs])
    held = sum(len(numbers_with(run.verdicts, Verdict.HELD)) for run in checked)
    app.metrics.held.inc(held)
    if held:
        log.info("%s outputs wait for a moderator", held)
        app.wakeups.wake("show")
    return None if any(run.verdicts for run in checked) else prepared


async def _labels(
    app: App, run: Run, rules: ServerRules, outputs: PreparedOutputs, deadline: float
) -> dict[int, Labels]:
    """Return the labels of each output by its number. What isn't a picture, a video or a text has none."""
    linked = [output for output in run.outputs if output.url is not None]

    async def label(output: Output) -> Labels:
        if output.url is None:
            return await _label_text(app, run, rules, output.text or "")
        place = linked.index(output) + 1
        file = next((each for each in outputs.files if is_file(each.filename, run.key, place)), None)
        if file is None or not file.content_type or app.pictures is None:
            return None  # too large, not fetched, or the check was switched off since the request
        return await app.pictures.check(file.path, file.content_type, server=run.server, deadline=deadline)

    return dict(enumerate(await asyncio.gather(*map(label, run.outputs)), 1))


async def _label_text(app: App, run: Run, rules: ServerRules, text: str) -> Labels:
    if run.guild_id is None:
        return frozenset()
    try:
        roles, channels = frozenset(run.requester_roles or ()), frozenset({run.channel_id})
        hit = await app.words.find_hit(run.guild_id, rules.words, {"text": text}, roles, channels)
    except RefusedError as error:
        log.warning("can't check a text that was made: %s", error)
        return None
    return frozenset({FORBIDDEN_WORD}) if hit is not None else frozenset()
