"""Check and accept requests, each of which begins as a draft.

The files that a request takes are checked before anything is spent: by their content, and who made them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack
from dataclasses import replace

from bot.context import App
from bot.deployments.draft import Draft
from bot.deployments.files import check_content, is_kind, linked_file, links_of, needs_content
from bot.deployments.inputs import AttachedFile, Typed, Values
from bot.deployments.merge import Merged, Stored, merge
from bot.deployments.model import Deployment
from bot.deployments.schema.field_types import GPU, PRIVATE
from bot.domain import requests
from bot.domain.backend import InputKind
from bot.domain.errors import BotError, InputError, InputErrors, MediaError, MediaTooLarge, RefusedError
from bot.domain.picture_check import Flagged, Labels, Verdict
from bot.domain.policy import Facts, Usage, check_of, decide
from bot.domain.requests import NAME_LENGTH, Actor, Checked, Holder, Preset, Press, batch_of
from bot.domain.runs import InputValue, Run, RunState
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules
from bot.domain.text import escape_line, keys_in_links, links_in, shorten
from bot.media.download import sniff
from bot.media.outputs import MEDIA_SECONDS, PICTURE_LIMIT
from bot.sentences import say
from bot.services.access import restricts

log = logging.getLogger(__name__)
# How long the beginning of a file may take to arrive.
_FILE_SECONDS = 1.0
# How many characters of a refused text the audit log keeps, and what it calls the list in `/settings`.
_QUOTED, _OWN_LIST = 300, "The bot's own list"


async def deleted_files(app: App, inputs: Values) -> frozenset[str]:
    """Return the keys of those inputs that take a file of a deleted result."""
    made_by = {key: keys_in_links([value]) for key, value in inputs.items()}
    keys = frozenset[str]().union(*made_by.values())
    found = await app.store.runs.several(keys) if keys else ()
    deleted = {run.key for run in found if run.deleted_at is not None}
    return frozenset(key for key, runs in made_by.items() if runs & deleted)


async def facts_of(app: App, actor: Actor, deployment: Deployment, preset: str | None = None) -> Facts:
    """Return what decides about a request for a deployment; with a `preset`, also the presets to use."""
    gpus = {deployment.expected_gpu(gpu) for gpu in (None, *deployment.gpus)}
    facts = await app.store.requests.facts(actor, deployment.name, gpus, app.now(), preset=preset)
    app.store.rules.known[actor.origin.guild_id] = facts.rules
    return facts


def foresee(app: App, actor: Actor, name: str, typed: Typed) -> bool | None:
    """Return whether only the requester may see the answer to `/generate`, if the request seems acceptable.

    Nothing is read, so this returns None if that depends on what isn't in memory, such as a preset.
    """
    rules, deployment = app.store.rules.known.get(actor.origin.guild_id), app.catalogue.get(name)
    if rules is None or deployment is None:
        return None
    depends_on_gpu = rules.gpu_roles or rules.approval.mode is ApprovalMode.SELECTED
    if depends_on_gpu and deployment.gpus and not typed.get(GPU):
        return None  # a preset may choose it
    try:
        merged = merge(deployment, typed, draw_seed=min)
        run = _new_run(app, actor, Draft(deployment=deployment), typed, merged)
        accepted = decide(run, actor, Facts(rules, Usage(now=run.created_at)), app.store.operator)
    except BotError:
        return None
    return run.private or accepted.review_channel_id is not None


async def draft(app: App, actor: Actor, deployment: str, name: str | None) -> Draft:
    """Return the draft of `/generate`: the named preset decides, then the user's own default, then that of
    the channel.
    """
    found = app.catalogue.require(deployment)
    with app.metrics.request(deployment):
        facts = await facts_of(app, actor, found, name or "")
    used: list[Preset] = []
    if name is not None:
        shown = escape_line(name, NAME_LENGTH)
        if not facts.named:
            raise RefusedError("preset_unknown", name=shown)
        fitting = [each for each in facts.named if each.deployment == deployment]
        if not fitting:
            other = facts.named[0].deployment
            title, path = escape_line(app.catalogue.title(other), 60), app.catalogue.plan.path(other)
            code = "preset_elsewhere" if app.catalogue.get(other) is not None else "default_gone"
            raise RefusedError(code, name=shown, title=title, path=path)
        used = fitting[:1]
    used += (each for each in facts.defaults if each.deployment == deployment)
    stored: list[Stored] = []
    for each in used:
        note = "your default" if each.is_default else ""
        if each.holder is Holder.SERVER:
            note = f"preset: {escape_line(each.name, NAME_LENGTH)}"
        stored.append(Stored(each.inputs, each.gpu, each, note))
    title = say("edit_title", title=found.title)
    return Draft(deployment=found, title=title, stored=stored, facts=facts)


async def check(app: App, actor: Actor, draft: Draft, typed: Typed) -> Checked:
    """Check a request's words, the rules and budgets, and its files.

    A second press within seconds raises PressedTwice. A refusal by a rule is added to the audit log.
    """
    deployment = draft.deployment
    merged = merge(deployment, {**draft.files, **typed}, draft.stored, draw_seed=app.effects.random.randint)
    takes_files = bool(links_in(merged.inputs.values()))
    with app.metrics.request(deployment.name):
        if (pressed := draft.press(typed)) is not None:
            actor = replace(actor, press=Press(pressed, app.now()))
        run, texts = _new_run(app, actor, draft, typed, merged), merged.texts
        if merged.prompt is None and draft.prompt is not None:
            texts = {**texts, "prompt": draft.prompt}
        if takes_files:
            hidden, made_by = await origin_of_files(app, actor, merged.inputs, draft)
            run = replace(run, age_restricted=run.age_restricted or hidden, file_deployments=made_by)
        facts = draft.facts or await facts_of(app, actor, deployment)
        batch = batch_of(run, merged.runs, app.effects.random)
        await check_words(app, actor, batch[0], facts.rules, texts, quoted=not run.private)
        try:
            accepted = decide(batch[0], actor, facts, app.store.operator)
            if takes_files:  # after the rules, because they may have to be downloaded
                await check_files(app, deployment, merged)
                if run.to_check and facts.rules.pictures.attached:
                    await check_pictures(app, deployment, merged, accepted, facts.rules)
        except RefusedError as refused:
            await app.store.requests.record_refusal(batch[0], refused.code, app.now())
            raise
    only_requester = run.private or accepted.review_channel_id is not None
    return Checked(batch=batch, actor=actor, only_requester=only_requester, dropped=merged.dropped)


def _new_run(app: App, actor: Actor, draft: Draft, typed: Typed, merged: Merged) -> Run:
    """Return the run of a draft, before its files are known and its batch has keys."""
    deployment = draft.deployment
    # Nobody else sees direct messages anyway.
    is_direct = actor.origin.guild_id is None and not actor.origin.user_install
    private = (draft.private or bool(typed.get(PRIVATE))) and not is_direct
    notes = [each.note for each in draft.stored if each.note and each in merged.sources.values()]
    return Run(
        key="",
        request_key="",
        state=RunState.WAITING,
        created_at=app.now(),
        requester_id=actor.id,
        **{name: getattr(actor.origin, name) for name in requests.Origin.__slots__},
        deployment=deployment.name,
        deployment_id=deployment.deployment_id,
        inputs=merged.inputs,
        gpu=merged.gpu,
        expected_gpu=deployment.expected_gpu(merged.gpu),
        prompt=draft.prompt if merged.prompt is None else merged.prompt,
        parent_key=draft.parent_key,
        preset_note=" · ".join(notes) or None,
        age_restricted=deployment.age_restricted,
        private=private,
        count=len(merged.runs),
        deadline_seconds=app.settings.run_deadline_seconds,
        run_timeout=deployment.run_timeout,
        # The rules may be stricter when there are outputs.
        to_check=app.pictures is not None and (not private or app.settings.picture_check_private),
    )


async def check_words(
    app: App,
    actor: Actor,
    run: Run,
    rules: ServerRules,
    texts: Mapping[str, str],
    *,
    quoted: bool = False,
) -> None:
    """Raise RefusedError if a text of a run has a word that the server's `rules` forbid.

    The audit log records that, with `quoted` with the beginning of that text for the moderators. The same
    happens if required AutoMod rules can't be read, with `words_forbidden` if the bot lacks Manage Server.
    """
    guild_id = actor.origin.guild_id
    if guild_id is None:
        return
    details: dict[str, object] = {}
    try:
        exempt = (actor.person.role_ids, actor.channel_ids)
        hit = await app.words.find_hit(guild_id, rules.words, texts, *exempt)
        if hit is None:
            return
        details = {"rule": hit.rule or _OWN_LIST, "word": hit.keyword, "option": hit.option}
        details |= {"prompt": shorten(texts[hit.option], _QUOTED)} if quoted else {}
        refused = RefusedError("words_refused", option=hit.option)
    except RefusedError as error:
        refused = error
    log.info("refused a request of user %s: %s, rule %r", actor.id, refused.code, details.get("rule"))
    await app.store.requests.record_refusal(run, refused.code, app.now(), details)
    raise refused


async def check_files(app: App, deployment: Deployment, merged: Merged) -> None:
    """Raise InputErrors, which name each file that is of the wrong kind.

    Only the beginning of a file is read, and only if Discord hasn't read the file itself. If the
    beginning can't be read now, an attached file is refused only if nothing else tells its type. A link
    from an earlier request or result is accepted, because its file was checked then.
    """
    checks: list[Awaitable[InputError | None]] = []
    for item in [each for each in deployment.offered if each.takes_file]:
        given = {file.url: (option, file) for option, file in merged.files.get(item.key, ())}
        for url in links_of(merged.inputs.get(item.key)):
            option, file = given.get(url) or (item.option_names[0], linked_file(url))
            if needs_content(item.kind, file):
                checks.append(_mistake(app, item.kind, option, file, is_attached=url in given))
    if wrong := [mistake for mistake in await asyncio.gather(*checks) if mistake is not None]:
        raise InputErrors(wrong)


async def check_pictures(
    app: App, deployment: Deployment, merged: Merged, run: Run, rules: ServerRules
) -> None:
    """Raise RefusedError if a picture or video that somebody attached is flagged, or can't be checked.

    Those of earlier requests were checked then, and results before they were shown.
    """
    check = check_of(run, rules, app.store.operator, age_restricted=run.channel_age_restricted)
    if check.flagged is Flagged.OFF:
        return
    deadline = asyncio.get_running_loop().time() + MEDIA_SECONDS
    for item in deployment.offered:
        for option, file in merged.files.get(item.key, ()):
            labels = await _labels(app, file, run.server, deadline)
            if check.verdict(labels) is not Verdict.SHOW:
                code = "picture_unchecked" if labels is None else "picture_refused"
                raise RefusedError(code, option=option)


async def _labels(app: App, attached: AttachedFile, server: int, deadline: float) -> Labels:
    """Return the labels of an attached file. What is neither a picture nor a video has none."""
    with ExitStack() as files:
        try:
            async with asyncio.timeout_at(deadline):
                media = await app.fetcher.fetch(attached.url, PICTURE_LIMIT, files, server=server)
        except MediaTooLarge:
            limit = PICTURE_LIMIT // 2**20
            raise RefusedError("input_file_too_large", filename=attached.filename, limit_mib=limit) from None
        except (MediaError, OSError) as error:  # OSError is also a TimeoutError
            log.info("can't fetch a picture to check it: %s", str(error) or type(error).__name__)
            return None
        if app.pictures is None:
            return None
        return await app.pictures.check(media.content, media.content_type, server=server, deadline=deadline)


async def _mistake(
    app: App, kind: InputKind, option: str, file: AttachedFile, *, is_attached: bool
) -> InputError | None:
    found: str | None = None
    try:
        async with asyncio.timeout(_FILE_SECONDS):
            found = sniff(await app.fetcher.head(file.url))[0]
    except (MediaError, TimeoutError) as error:
        log.info("can't read the beginning of an input file: %s", str(error) or type(error).__name__)
    # A link from an earlier request or result, whose file was checked when it was attached.
    if found is not None or is_attached or is_kind(kind, file):
        try:
            check_content(kind, option, file, found)
        except InputError as error:
            return error
    return None


async def origin_of_files(
    app: App, actor: Actor, inputs: Mapping[str, InputValue], draft: Draft
) -> tuple[bool, tuple[str, ...]]:
    """Return whether a file of a request is of an age-restricted result, and the ids of the deployments that
    made its files, and the files that those were made from.

    The names of the files say which runs made them, or took them before. Names may have been changed, so the
    run that the request starts from counts, too. If a run's row is gone, the channel of this interaction
    decides, because the file was found there. Raises RefusedError for a file of a deleted
    result.
    """
    linked = keys_in_links(inputs.values())
    made_by = linked | frozenset(filter(None, [draft.parent_key, draft.made_by]))
    found = await app.store.runs.several(made_by) if made_by else ()
    if any(run.key in linked and run.deleted_at is not None for run in found):
        raise RefusedError("parent_deleted")
    gone = len(found) < len(made_by)
    restricted = any(restricts(app, actor, run) for run in found)
    ids = {each for run in found for each in (run.deployment_id, *run.file_deployments)}
    return restricted or (gone and actor.origin.channel_age_restricted), tuple(sorted(ids))
