"""Compose the parts of a message: what to post, and what to change in what is posted.

Age marks of deployments and channels decide where a result may be shown. Functions raise NoResponse,
StoreUnavailable, and MediaError or BackendError.
"""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from bot.context import App
from bot.deployments.model import ShownInputs, displayed_inputs
from bot.discord_api.calls import Unreachable
from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.errors import RefusedError
from bot.domain.files import FileKind, PreparedFile, PreparedOutputs
from bot.domain.messages import (
    CARDS,
    COPIES,
    MAX_FAILURES,
    OUTCOMES,
    Act,
    Claim,
    Part,
    Place,
    Purpose,
    Rendering,
    Shows,
    result_ref,
)
from bot.domain.moderation import AuditAction
from bot.domain.picture_check import Verdict, numbers_with
from bot.domain.runs import DIRECT_UPLOAD_LIMIT, Run, RunState, is_hidden, is_turned_away
from bot.domain.text import belongs_to, message_url
from bot.media.outputs import inline_texts
from bot.sentences import MayLink, say
from bot.ui.message_parts import layout_of, remark_messages
from bot.ui.moderation import (
    REPORTED,
    closed_card,
    decided_card,
    decision_text,
    pictures_card,
    report_card,
    review_card,
    turned_away_letter,
)
from bot.ui.result_buttons import offered_actions
from bot.ui.results import Batch, outcome, share_messages
from bot.ui.status import linked_outputs, origin_message, plain_messages, withheld_message

log = logging.getLogger(__name__)


class Edit(NamedTuple):
    """A change of a posted part, which is deleted if it has no `content` any more.

    `keep` are the names of the files to keep; None keeps all.
    """

    part: Part
    content: OutgoingMessage | None
    keep: Collection[str] | None


class Task(NamedTuple):
    """What to compose: a claimed message for a place, and what closes its files.

    `prepared` are the outputs, by run key, that are there already, because they were checked.
    """

    claim: Claim
    place: Place
    shows: Shows
    act: Act
    files: ExitStack
    deadline: float
    prepared: Mapping[str, PreparedOutputs] = {}


async def parts(app: App, task: Task) -> Sequence[OutgoingMessage]:
    """Compose what has to be posted. With CONTINUE, this leaves out what is posted."""
    claim, purpose = task.claim, task.claim.message.purpose
    if purpose in COPIES:
        return await _copy(app, task)
    rules = app.store.rules.known.get(claim.run.guild_id) or await app.store.rules.get(claim.run.guild_id)
    if purpose not in CARDS:
        messages = await _outcome(app, task)
        is_result = task.shows is not Shows.WITHHELD and not is_turned_away(claim.runs)
        if task.place is Place.DIRECT and is_result:
            messages = [*messages, origin_message(claim.run, hidden=is_hidden(claim.runs))]
        return messages if rules.ping_requesters else [replace(each, mention=None) for each in messages]
    compose_card = {Purpose.REVIEW: _review, Purpose.REPORT: _report, Purpose.PICTURES: _pictures}[purpose]
    card, *further = (await compose_card(app, task))[len(claim.message.posted) :]
    role = rules.reviewer_role_id if rules.ping_reviewers and not claim.message.posted else None
    if role is not None and card.layout is not None:
        card = replace(card, layout=layout_of(f"<@&{role}>", *card.layout.children), role=role)
    return [card, *further]


async def edits(app: App, claim: Claim) -> Sequence[Edit]:
    """Compose the changes of what is posted completely."""
    purpose, posted, first = claim.message.purpose, claim.message.posted, claim.first
    title = app.catalogue.title(first.deployment)
    if purpose is Purpose.REVIEW and first.state is not RunState.AWAITING_APPROVAL:
        files, inputs = [*map(_posted_file, posted[0].files)], _inputs(app, first)
        return [Edit(posted[0], decided_card(first, title, inputs, files, _open_link(claim)), None)]
    if purpose is Purpose.REPORT:
        return [edit for part in posted if (edit := await _report_edit(app, claim, part))]
    if purpose is Purpose.PICTURES and not any(run.held for run in claim.runs):
        decided = await app.store.reviews.last(claim.first, AuditAction.PICTURES)
        closed = Edit(posted[0], closed_card(first, title, "Decided", decision_text(decided)), ())
        return [closed, *(Edit(part, None, None) for part in posted[1:])]
    # A batch may lose results, and a failure's log comes late. A single result is shown or deleted as a
    # whole, and a letter about the end of a request stays as it is.
    changing = (Shows.NOTICE, Shows.PARTIAL, *([Shows.SOME, Shows.RESULT] if len(claim.runs) > 1 else []))
    is_letter = posted[0].place is Place.DIRECT and is_turned_away(claim.runs)
    if purpose is Purpose.OUTCOME and posted[0].shows in changing and not is_letter:
        return list(_redrawn(app, claim, await _origin(app, claim.run)))
    return []


def _open_link(claim: Claim) -> str | None:
    """Return a link to the result that moderators can open, if there is one."""
    run = claim.run
    ref = result_ref(claim.messages, run.index) if any(each.is_shown for each in claim.about) else None
    is_open = ref is not None and ref.channel_id == run.channel_id and not run.private
    return message_url(run.guild_id, *ref) if ref is not None and is_open else None


async def _origin(app: App, run: Run) -> str | None:
    return await app.store.history.parent_link(run) if run.parent_key in run.sources else None


def _inputs(app: App, run: Run) -> ShownInputs:
    return displayed_inputs(app.catalogue.get(run.deployment), run.inputs)


async def _outcome(app: App, task: Task) -> Sequence[OutgoingMessage]:
    claim, rendering = task.claim, task.claim.message.rendering
    run, shown, may_link = claim.run, claim.shown, app.fetcher.may_link
    title, offered = app.catalogue.title(run.deployment), offered_actions(run, app.catalogue.all())
    if task.place is Place.DIRECT and is_turned_away(claim.runs):
        return [turned_away_letter(run, title)]
    if task.shows is Shows.WITHHELD:
        if rendering is Rendering.WORDS:
            return plain_messages(claim.about, [run], None)
        return [withheld_message(run, postable=task.place is not Place.DIRECT)]
    if rendering is Rendering.WORDS and task.act is Act.POST:
        return plain_messages(claim.about, shown, may_link)
    prepared = {each.key: await _prepared(app, task, each) for each in shown}
    if task.act is Act.POST:
        batch = Batch(claim.about, prepared, claim.late, await _origin(app, run))
        return outcome(batch, title, offered).messages()
    batch = Batch(claim.about, prepared, claim.late, posted=[*map(_posted_file, claim.message.files)])
    remarks = [remark for each in prepared.values() for remark in each.remarks]
    return outcome(batch, title, offered).further(batch.files, remarks)


async def _prepared(app: App, task: Task, run: Run) -> PreparedOutputs:
    message = task.claim.message
    if run.key in task.prepared and message.rendering is Rendering.FILES and task.place is not Place.DIRECT:
        return task.prepared[run.key]
    names = message.files if task.act is Act.CONTINUE else []
    if message.rendering >= Rendering.LINKS:
        linked = linked_outputs(run, app.fetcher.may_link, posted=names)
        return replace(linked, texts=()) if names else linked
    return await app.outputs.prepare(
        run,
        DIRECT_UPLOAD_LIMIT if task.place is Place.DIRECT else run.upload_limit,
        task.files,
        last_try=message.failures >= MAX_FAILURES,  # the present attempt counts
        deadline=task.deadline,
        posted=names,
    )


async def _copy(app: App, task: Task) -> Sequence[OutgoingMessage]:
    """Compose a copy under the current age marks and rules. Raises RefusedError if they forbid it."""
    claim, message, rendering = task.claim, task.claim.message, task.claim.message.rendering
    run = replace(claim.run, index=0, count=1)
    restricted = await app.discord.is_age_restricted(message.channel_id or run.channel_id)
    if not restricted and await applies(app, run):
        raise RefusedError(f"{message.purpose}_age")
    if message.purpose is Purpose.SHARE:
        rules, prompt = await app.store.rules.get(run.guild_id), run.prompt if message.with_prompt else None
        veiled = bool(numbers_with(run.verdicts, Verdict.SPOILER))
        run = replace(run, prompt=prompt, spoiler=veiled or rules.is_spoiler(age_restricted=restricted))
    if rendering is Rendering.FILES:
        prepared = await app.outputs.prepare_copy(run, task.files, task.deadline)
    else:
        prepared = linked_outputs(run, app.fetcher.may_link)
    title, offered = app.catalogue.title(run.deployment), offered_actions(claim.run, app.catalogue.all())
    if rendering is Rendering.WORDS:
        parts = plain_messages([run], [run], app.fetcher.may_link)
    elif message.purpose is Purpose.SHARE:
        ref = result_ref(claim.messages, message.number)
        link = message_url(run.guild_id, *ref) if ref else None
        parts = share_messages(run, title, prepared, link, offered)
    else:
        parts = outcome(Batch([run], {run.key: prepared}), title, offered).messages()
    # The requester has just asked for the copy, so it pings nobody.
    return [replace(part, mention=None) for part in parts]


async def _review(app: App, task: Task) -> list[OutgoingMessage]:
    run, inputs = task.claim.first, _inputs(app, task.claim.first)
    # Without `spoiler`, file names have no SPOILER_ prefix, so `renewed_inputs` finds the files. The
    # card marks them as spoilers itself.
    files = tuple(file for _, file in inputs.files)
    attached = replace(run, outputs=files, to_check=False, spoiler=False)
    if inputs.files and await hides(app, run, task.claim.message.channel_id):
        prepared = linked_outputs(attached, app.fetcher.may_link, "card_file_restricted")
    else:
        prepared = await _on_card(app, task, [attached])
    return [review_card(run, app.catalogue.title(run.deployment), inputs, prepared)]


async def _pictures(app: App, task: Task) -> list[OutgoingMessage]:
    """Compose the card about what waits for a moderator, the only place that shows it."""
    claim, shown = task.claim, list[Run]()
    withheld = await hides(app, claim.first, claim.message.channel_id)
    for run in (each for each in claim.runs if each.held and not withheld):
        held = tuple(run.outputs[number - 1] for number in run.held)
        shown.append(replace(run, outputs=held, to_check=False, spoiler=False))
    title, prepared = app.catalogue.title(claim.first.deployment), await _on_card(app, task, shown)
    return pictures_card(claim.runs, title, prepared, withheld=withheld)


async def _on_card(app: App, task: Task, shown: Sequence[Run]) -> PreparedOutputs:
    """Return runs' outputs for a card, with a sentence for each file that can't be fetched or is linked."""
    if task.claim.message.rendering is not Rendering.FILES:
        return _together([linked_outputs(run, app.fetcher.may_link) for run in shown])
    prepare, deadline = app.outputs.prepare, task.deadline
    return _together(
        [await prepare(run, run.upload_limit, task.files, last_try=True, deadline=deadline) for run in shown]
    )


def _together(found: Sequence[PreparedOutputs]) -> PreparedOutputs:
    return PreparedOutputs(
        files=tuple(file for each in found for file in each.files),
        texts=tuple(text for each in found for text in each.texts),
        remarks=tuple(note for each in found for note in each.remarks),
    )


async def _report(app: App, task: Task) -> list[OutgoingMessage]:
    withheld = await hides(app, task.claim.run, task.claim.message.channel_id)
    shown = [replace(run, spoiler=False) for run in task.claim.about if run.is_shown and not withheld]
    prepared = await _on_card(app, task, shown)
    return [await _report_card(app, task.claim, prepared, withheld=withheld)]


async def _report_card(
    app: App, claim: Claim, prepared: PreparedOutputs, *, withheld: bool
) -> OutgoingMessage:
    title, reports = app.catalogue.title(claim.run.deployment), await app.store.reviews.reports(claim.run)
    return report_card(claim.run, title, reports, _open_link(claim), prepared, withheld=withheld)


async def _report_edit(app: App, claim: Claim, card: Part) -> Edit | None:
    """Return the change of a report's card.

    The card is closed if a moderator has dismissed it, or if one has deleted a result and no reported
    one is left. Otherwise it names all reporters, and loses the files that a moderator deleted. Files of
    results that only their requester deleted stay, so that users can't evade a report by deleting the result.
    """
    run, decision = claim.run, ""
    deleted = [each for each in claim.about if each.deleted_by not in (None, each.requester_id)]
    if run.report_channel_id is None:
        dismissed = await app.store.reviews.last(run, AuditAction.DISMISS)
        if dismissed is None:
            return None
        by, at = dismissed.actor_id, dismissed.at
        was_gone = all(each.deleted_at is not None and each.deleted_at <= at for each in claim.results)
        code = "report_gone" if was_gone else "report_dismissed"
        decision = say(code, person=by, at=int(at.timestamp()))
    elif deleted and not any(each.is_shown for each in claim.about):
        last = deleted[-1]
        stamp = int(last.deleted_at.timestamp()) if last.deleted_at is not None else 0
        decision = say("report_deleted", person=last.deleted_by, at=stamp)
    if decision:
        closed = closed_card(run, app.catalogue.title(run.deployment), "Reported", decision)
        return Edit(card, closed, ())
    keep = [name for name in card.files if not any(belongs_to(name, each.key) for each in deleted)]
    names = [name.removeprefix(REPORTED) for name in keep]
    withheld = await hides(app, run, claim.message.channel_id)
    shown = [each for each in claim.about if each not in deleted and not withheld]
    found = [_as_posted(each, names, app.fetcher.may_link, "media_linked") for each in shown]
    content = await _report_card(app, claim, _together(found), withheld=withheld)
    return Edit(card, replace(content, files=()), keep if len(keep) < len(card.files) else None)


def _redrawn(app: App, claim: Claim, origin: str | None) -> Iterator[Edit]:
    """Yield the changes that make the messages of an outcome what it is now, without deleted results."""
    posted, names = claim.message.posted, claim.message.files
    prepared = {run.key: _as_posted(run, names, app.fetcher.may_link) for run in claim.shown}
    batch = Batch(claim.runs, prepared, claim.late, origin, [*map(_posted_file, names)])
    title = app.catalogue.title(claim.run.deployment)
    shown = outcome(batch, title, offered_actions(claim.run, app.catalogue.all()))
    texts: Iterator[OutgoingMessage] = iter(())
    for part in posted:
        kept = [file for file in batch.files if file.filename in part.files]
        content: OutgoingMessage | None = None
        if part.index == 0:
            content, more = shown.first(kept, classic=part.classic)
            texts = remark_messages(more)
        elif kept:
            content = OutgoingMessage() if part.classic else shown.further(kept)[0]
        elif not part.files:
            content = next(texts, None)
        content = replace(content, files=()) if content is not None else None
        yield Edit(part, content, [file.filename for file in kept])


def _as_posted(
    run: Run, names: Sequence[str], may_link: MayLink, code: str = "media_too_large"
) -> PreparedOutputs:
    """Return a run's outputs as its messages show them.

    `names` are the files of the messages. Outputs that aren't among them are linked by the sentence `code`.
    """
    own = tuple(_posted_file(name) for name in names if belongs_to(name, run.key))
    texts = [output.text for output in run.visible if output.text is not None]
    linked = linked_outputs(run, may_link, code, posted=names)
    return replace(linked, files=own, texts=inline_texts(run, texts) or ())


def _posted_file(name: str) -> PreparedFile:
    """Describe a posted file by its name; only Discord has its content."""
    return PreparedFile(name, FileKind.of(mimetypes.guess_type(name)[0] or ""))


async def withheld_at(app: App, claim: Claim) -> Collection[Place]:
    """Return the places that may not show the result of an outcome, decided once for all of them.

    A channel shows an age-restricted result only if the channel is age-restricted now.
    """
    if claim.message.purpose not in OUTCOMES or not claim.shown:
        return ()
    run = claim.run
    marked = app.catalogue.is_marked(run)
    if not run.is_restricted(marked):
        return ()
    is_open = await is_age_restricted(app, run, otherwise=not marked)
    return [place for place in Place if (marked if place is Place.DIRECT else not is_open)]


async def hides(app: App, run: Run, channel_id: int | None) -> bool:
    """Return whether a channel, by default that of the request, may not show a result.

    If the channel is gone or closed to the bot, what was stored with the run decides.
    """
    is_open = await is_age_restricted(app, run, channel_id, otherwise=False)
    return not is_open and await applies(app, run)


async def applies(app: App, run: Run) -> bool:
    """Return whether a result may be shown only in age-restricted channels."""
    if run.is_restricted(app.catalogue.is_marked(run)):
        return True
    return await is_age_restricted(app, run, otherwise=False)


async def is_age_restricted(app: App, run: Run, channel_id: int | None = None, *, otherwise: bool) -> bool:
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
