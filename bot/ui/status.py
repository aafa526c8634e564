"""The status message of a batch, and the messages in place of a result that can't be shown as usual."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from discord import Colour
from discord.utils import format_dt

from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.files import PreparedOutputs
from bot.domain.messages import Purpose, component_id
from bot.domain.runs import Run, RunState, is_turned_away
from bot.domain.text import channel_url, is_file, sentence_case, shorten
from bot.sentences import MayLink, link_remark, say
from bot.ui.custom_ids import Action
from bot.ui.message_parts import (
    LAYOUT_TEXT,
    bar,
    fitting,
    framed,
    layout_of,
    lines,
    remark_messages,
    run_button,
    subtext,
    text_blocks,
)
from bot.ui.run_facts import COLOURS, batch_title, ending, facts_of, is_queued, prompt_line, queue_place

_BAR_LENGTH = 12
# From the least to the most advanced.
_PROGRESS_ORDER = (
    RunState.AWAITING_APPROVAL,
    RunState.WAITING,
    RunState.SUBMITTING,
    RunState.QUEUED,
    RunState.UPLOADING,
    RunState.RUNNING,
)


def status_message(batch: Sequence[Run], title: str, expected: datetime | None = None) -> OutgoingMessage:
    """Build the answer to a command until its outcome is shown: phase, progress, age, Cancel.

    `expected` is when the result should come. Clients count down to it, so no edit is needed for that.
    """
    first, active = batch[0], [run for run in batch if not run.final]
    # The answer to a request that waits for approval is ephemeral, so it may quote the prompt.
    only_requester = first.state is RunState.AWAITING_APPROVAL
    note = first.status_note or ""
    if not note and first.needs_interaction:
        # Only the interaction can update the message, for a while.
        note = "answer_private_lives" if first.private else "answer_lives"
    heading = f"### {say(_heading(batch, active))}: {batch_title(title, len(batch))}"
    seen_by = ""
    if only_requester:
        seen_by = "A moderator will look at it first. If it isn't approved, I'll send you a direct message."
    if first.private:
        seen_by = "Only you can see this. Moderators can open the result, too."
        if only_requester:
            seen_by = "Only you and the moderators can see this. One of them will look at it first."
    # Discord shows who typed a command, but not who pressed a button under somebody else's result.
    by = f" by <@{first.requester_id}>" if first.parent_key is not None and not first.private else ""
    # The seed and the duration differ within a batch.
    common = first if len(batch) == 1 else replace(first, seed=None, run_duration=None)
    below = lines(
        _progress(batch, active),
        # Worded to fit before and after that time: clients show "in 40 seconds", and later "5 seconds ago".
        f"Should be ready {format_dt(expected, 'R')}" if expected is not None else "",
        seen_by,
        say(note) if note else "",
        *_held(active),
        _what_follows(batch) if not active else "",
        subtext([f"requested{by} {format_dt(first.created_at, 'R')}", *facts_of(common)]),
    )
    above = lines(heading, prompt_line(first, only_requester=only_requester))
    buttons = [run_button(first, Action.CANCEL)] if any(run.is_cancellable for run in active) else []
    layout = framed(Colour.blurple(), above, below, buttons)
    layout.children[0].id = component_id(first.request_key, Purpose.STATUS)
    return OutgoingMessage(layout=layout)


def held_message(batch: Sequence[Run], title: str) -> OutgoingMessage:
    heading = f"### Waiting for a moderator: {batch_title(title, len(batch))}"
    above = lines(heading, prompt_line(batch[0]))
    told = say("held_all_private" if batch[0].needs_interaction else "held_all")
    return OutgoingMessage(layout=framed(Colour.gold(), above, told))


def undelivered_message(batch: Sequence[Run], title: str) -> OutgoingMessage:
    heading = f"### Couldn't be posted: {batch_title(title, len(batch))}"
    above, buttons = lines(heading, prompt_line(batch[0])), [run_button(batch[0], Action.DISCARD)]
    return OutgoingMessage(layout=framed(Colour.orange(), above, say("undelivered"), buttons))


def _heading(batch: Sequence[Run], active: Sequence[Run]) -> str:
    """Return the string code of the title, which names the phase of the most advanced run.

    If every active run is being cancelled, the title says that instead, and without any it tells the best of
    the ends. A waiting run without a queue position is about to be submitted, so it isn't described as
    waiting. While no run has ended, a running one without progress is waiting for its machine to start.
    """
    if not active:
        best = max(batch, key=lambda run: (run.state is RunState.SUCCEEDED, run.partial))
        return "title_ended" if is_turned_away(batch) else ending(best)
    if all(run.cancel_requested_at for run in active):
        return "title_cancelling"
    furthest = max(active, key=lambda run: (_PROGRESS_ORDER.index(run.state), run.progress or 0))
    state, progress = furthest.state, furthest.progress or 0
    if state is RunState.WAITING:
        if all(run.waiting_code for run in active):
            return "title_held"
        if furthest.queue_position is None:
            return "title_submitting"
    if is_queued(furthest) and furthest.queue_position == 1:
        return "title_next"
    if state is RunState.RUNNING and not progress and len(active) == len(batch):
        return "title_machine"
    return f"title_{RunState.UPLOADING if state is RunState.RUNNING and progress >= 1 else state}"


def _what_follows(batch: Sequence[Run]) -> str:
    """Return what the bot does before the outcome of an ended request can be shown."""
    shown = [run for run in batch if run.is_shown]
    files = sum(output.url is not None for run in shown for output in run.outputs)
    if not files:
        return "More about it follows."
    checks = ", checking" if any(run.to_check and run.verdicts is None for run in shown) else ""
    return f"Fetching{checks} and posting the file{'s' if files > 1 else ''}…"


def _held(active: Sequence[Run]) -> Iterator[str]:
    """Yield the rule that keeps a run from starting, and when it is checked again."""
    run = next((run for run in active if run.waiting_code), None)
    if run is None or run.waiting_code is None:
        return
    params = run.waiting_params or {}
    yield say(run.waiting_code, **params)
    if not run.waiting_code.startswith("waits_for_"):
        yield "I'll start this then." if "until" in params else "I'll start this afterwards."


def _progress(batch: Sequence[Run], active: Sequence[Run]) -> str:
    """Return a run's position or progress, or how many runs of a batch are done, going on and queued."""
    if len(batch) == 1:
        run = batch[0]
        if run.progress is None or run.state not in (RunState.RUNNING, RunState.UPLOADING):
            return sentence_case(queue_place(run))
        return f"{bar(run.progress, _BAR_LENGTH)} {run.progress:.0%}"
    ended, queued = [run for run in batch if run.final], [run for run in active if is_queued(run)]
    # ComfyDeploy doesn't always tell the place of a run in its queue.
    waiting = [run for run in active if run in queued or run.state is RunState.QUEUED or run.waiting_code]
    is_going, started = bool(ended) or any(run.progress for run in active), len(active) - len(waiting)
    facts = []
    if is_going or (waiting and started):
        failed = sum(not run.has_result for run in ended)
        not_done = f", {failed} not" if failed else ""
        facts.append(f"{len(ended) - failed} of {len(batch)} done{not_done}")
    if waiting and started:
        facts.append(f"{started} in progress")
    if queued and (place := queue_place(queued[0])):
        facts.append(f"{len(waiting)} waiting, {place}")
    elif waiting and facts:
        facts.append(f"{len(waiting)} {'up next' if queued else 'waiting'}")
    share = (len(ended) + sum(run.progress or 0 for run in active)) / len(batch)
    return f"{bar(share, _BAR_LENGTH) if is_going else ''} {' · '.join(facts)}".strip()


_TEXT_LENGTH = 1500


def withheld_message(run: Run, *, postable: bool) -> OutgoingMessage:
    """Build the message in place of an age-restricted result. If `postable`, a button posts it later."""
    actions = [*([Action.REDELIVER] if postable else []), Action.DETAILS, Action.DISCARD]
    above = lines(f"<@{run.requester_id}> **Your result is ready**", prompt_line(run))
    buttons = [run_button(run, action) for action in actions]
    layout = framed(COLOURS[RunState.SUCCEEDED], above, say("withheld"), buttons)
    return OutgoingMessage(layout=layout, mention=run.requester_id)


def origin_message(run: Run, *, hidden: bool = False) -> OutgoingMessage:
    """Build the message that says why a result, or that it is `hidden`, comes as a direct message."""
    if run.user_install:
        return OutgoingMessage(content="I couldn't answer in time where you requested it, so here it is.")
    code = "from_private" if run.private else "from_there" if hidden else "from_elsewhere"
    return OutgoingMessage(content=say(code, url=channel_url(run.guild_id, run.channel_id)))


def linked_outputs(
    run: Run, may_link: MayLink, code: str = "media_linked", *, file: int = 0, posted: Collection[str] = ()
) -> PreparedOutputs:
    """Return a run's outputs with a link, in the sentence `code`, in place of each file that isn't `posted`.

    Texts are shortened. With the number of a `file`, the others are left out.
    """
    found = [output.text for output in run.visible if output.text and output.text.strip()]
    space = _TEXT_LENGTH // run.count // max(1, len(found))
    links = enumerate((output for output in run.visible if output.url), 1)
    remarks = [
        link_remark(code, output, number, may_link)
        for number, output in links
        if file in (0, number) and not any(is_file(name, run.key, number) for name in posted)
    ]
    return PreparedOutputs(texts=tuple(shorten(text, space) for text in found), remarks=tuple(remarks))


def plain_messages(
    batch: Sequence[Run], shown: Sequence[Run], may_link: MayLink | None
) -> list[OutgoingMessage]:
    """Build messages with a sentence about an outcome, and the `shown` runs' texts and links if allowed."""
    first = batch[0]
    made = [(run, linked_outputs(run, may_link)) for run in shown] if may_link else []
    contents = [remark for _, outputs in made for remark in outputs.remarks]
    contents += [block for run, found in made for block in text_blocks(found.texts, spoiler=run.spoiler)]
    code, actions = "plain_ended", [Action.DETAILS, Action.DISCARD]
    if shown:
        code = "plain_result" if contents else "plain_hidden"
        actions = [Action.MORE_OF_ALL if first.count > 1 else Action.MORE]
    heading = f"<@{first.requester_id}> {say(code)}"
    shown_lines, left = fitting(contents, LAYOUT_TEXT - len(heading) - 1)
    buttons = [run_button(first, action) for action in actions]
    layout = layout_of(lines(heading, *shown_lines), buttons)
    return [OutgoingMessage(layout=layout, mention=first.requester_id), *remark_messages(left)]
