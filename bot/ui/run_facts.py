"""What messages say about a run, in a few words or, behind Details, in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from discord import Colour
from discord.ui import File, LayoutView
from discord.utils import TimestampStyle, format_dt

from bot.deployments.model import Deployment, ShownInputs, displayed_inputs
from bot.domain.picture_check import Verdict, numbers_with
from bot.domain.run_timing import PLACES
from bot.domain.runs import REQUESTER_BLOCKED, Deletions, Run, RunState, is_turned_away
from bot.domain.text import escape_line, shorten
from bot.domain.text.run_log import failure_code, last_error, scrub
from bot.sentences import say
from bot.ui.message_parts import PROMPT_SHOWN, framed, lines, subtext, text_blocks

_ERROR_SHOWN = 200
_RUN_FAILED = "run_failed"
COLOURS = {
    RunState.SUCCEEDED: Colour.green(),
    RunState.FAILED: Colour.red(),
    RunState.REFUSED: Colour.red(),
    RunState.REJECTED: Colour.red(),
    RunState.CANCELLED: Colour.light_grey(),
    RunState.EXPIRED: Colour.light_grey(),
    RunState.TIMED_OUT: Colour.orange(),
    RunState.UNCONFIRMED: Colour.orange(),
}


def ending(run: Run) -> str:
    if run.failure_code == REQUESTER_BLOCKED:
        return "title_blocked"
    return "title_partial" if run.partial else f"title_{run.state}"


def is_queued(run: Run) -> bool:
    return run.queue_position is not None and run.state in (RunState.WAITING, RunState.QUEUED)


def queue_place(run: Run, queue: str = "in the queue") -> str:
    """Return a run's place in our queue or ComfyDeploy's, unless it is next, as the heading says."""
    if not is_queued(run) or (place := run.queue_position or 1) == 1:
        return ""
    if place > PLACES and run.state is RunState.WAITING:
        return f"behind at least {PLACES} others {queue}"
    return f"number {place} {queue}"


def block_end(run: Run, whom: str) -> str:
    until = run.failure_params.get("until")
    return f"until <t:{until}:f>" if until else f"until somebody unblocks {whom}"


def reason_of(run: Run) -> str:
    """Return the sentence that says why a run did not succeed.

    Only that of a private run, which nobody but its requester and moderators sees, may quote the run's log.
    """
    code = run.failure_code or "internal"
    if code == _RUN_FAILED:
        return _failure_reason(run, quoted=run.private and run.failure_log is not None)
    if code == REQUESTER_BLOCKED:
        others = run.failure_params.get("others")
        blocked = f"A moderator of the server has blocked you {block_end(run, 'you')}."
        if not others:
            return f"{blocked} This request ended before it started."
        more = "another" if others == 1 else f"{others} more"
        return f"{blocked} This request and {more} of yours ended before they started."
    params = {
        name: escape_line(value, 100) if isinstance(value, str) else value
        for name, value in run.failure_params.items()
    }
    return say(code, **params)


def explanation_of(run: Run) -> str:
    """Return why a run failed, or why moderators turned it away, for its requester and moderators alone."""
    if is_turned_away([run]):
        reason = str(run.failure_params.get("reason") or "")
        return lines(reason_of(run), f"The moderator's reason: {escape_line(reason, 900)}" if reason else "")
    if run.failure_code != _RUN_FAILED:
        return ""
    return _failure_reason(run, quoted=True)


def _failure_reason(run: Run, *, quoted: bool) -> str:
    """Return what made a run fail: in words of our own, `quoted` from its log, or by the step."""
    if (code := failure_code(run.failure_log)) != _RUN_FAILED:
        return say(code)
    if quoted and (error := last_error(run.failure_log)) is not None:
        return say("run_failed_because", error=escape_line(error, _ERROR_SHOWN))
    if quoted:
        return say("run_failed_unexplained")
    _, executes, step = (run.live_status or "").partition("Executing ")
    return say("run_failed_at" if executes else _RUN_FAILED, step=escape_line(scrub(step), 40))


def prompt_line(run: Run, *, only_requester: bool = False) -> str:
    """Quote the run's prompt. A prompt that nobody approved is quoted only if `only_requester` sees it."""
    if run.hidden_from_channel and not only_requester:
        return ""
    return f"> {escape_line(run.prompt, PROMPT_SHOWN)}" if run.prompt else ""


def facts_of(run: Run) -> list[str]:
    if run.hidden_from_channel:
        return []
    facts = [*took(run.run_duration), *weighted_time_facts([run])] if run.final else []
    gpu = run.gpu_used or run.gpu
    if gpu:
        facts.append(say("gpu", gpu=escape_line(gpu, 32)))
    if run.seed is not None:
        facts.append(f"seed {run.seed}")
    if run.preset_note:
        facts.append(run.preset_note)
    return facts


def deletion_facts(deletions: Deletions) -> list[str]:
    """Return facts about deletions, as told to the requester. They name no moderator."""
    by = " by a moderator" if deletions.by_moderator else ""
    facts = ["a moderator deleted a copy of it"] if deletions.copy_by_moderator else []
    if deletions.outcome or deletions.partly:
        facts.insert(0, f"deleted{by}" if deletions.outcome else f"partly deleted{by}")
    return facts


def took(seconds: float | None, fact: str = "took {} s") -> list[str]:
    """Return a fact with a duration, or an empty list if that is unknown or less than a second."""
    return [fact.format(rounded)] if (rounded := f"{seconds or 0:.0f}") != "0" else []


def gpu_time_facts(runs: Sequence[Run]) -> list[str]:
    """Return facts about the total GPU time of the runs, or an empty list unless it is known for all."""
    started = [run for run in runs if run.started_at is not None or run.run_duration is not None]
    if any(run.run_duration is None for run in started):
        return []
    seconds = sum(run.run_duration or 0 for run in started)
    return [*took(seconds, "{} s of GPU time"), *weighted_time_facts(runs)]


def weighted_time_facts(runs: Iterable[Run]) -> list[str]:
    """Return how much of the daily limits the runs used, or an empty list if that is their GPU time."""
    measured = [(run.run_duration, run.charged_seconds) for run in runs if run.run_duration is not None]
    gpu_seconds = f"{sum(duration for duration, _ in measured):.0f}"
    weighted = f"{sum(charged for _, charged in measured):.0f}"
    return [say("counted", seconds=weighted)] if weighted != gpu_seconds else []


def result_facts(run: Run) -> list[str]:
    """Return facts about a run. Without a result, they begin with what it used."""
    # A weighted time already says that it counts.
    if run.has_result or weighted_time_facts([run]):
        return facts_of(run)
    seconds = max(1, round(run.charged_seconds)) if run.charged_seconds else 0
    used = f"{seconds} s of your GPU time was used" if seconds else "no GPU time was used"
    if seconds and run.run_duration is None:
        used = say("counted", seconds=seconds)
    return [used, *facts_of(replace(run, run_duration=None))]


def ending_sentence(run: Run) -> str:
    """Return why a run did not succeed, and of a partial result also when it was made."""
    if not run.partial:
        return say("ended_by_block") if run.failure_code == REQUESTER_BLOCKED else reason_of(run)
    # If the bot gave a run up, the state is the bot's own, so the failure code tells how ComfyDeploy ended
    # the run.
    code = run.failure_code or ""
    end = code.removeprefix("run_") if code.startswith("run_") else run.state.value
    return f"{reason_of(run)} {say(f'made_before_{end}')}"


def batch_title(title: str, size: int) -> str:
    name = escape_line(title, 80)
    return name if size == 1 else f"{name} ×{size}"


# Longer details go into a file: a layout holds 4,000 characters of text.
MAX_INLINE = 3500
FILENAME = "details.txt"
_LOG = "The end of its log, which only the requester and moderators see:"
_SHORT = 120
_LINES = 15


def details(
    run: Run,
    title: str,
    deployment: Deployment | None,
    *,
    explained: bool = False,
    origin: str | None = None,
) -> tuple[LayoutView, str | None]:
    """Build the details of a run, and the full text to attach as `FILENAME` if it is too long for a message.

    If `explained`, they say why the run failed, with the end of its log; only the requester and moderators
    may read that. `origin` is a link to the result of the run's parent, or None.
    """
    inputs = displayed_inputs(deployment, run.inputs)
    heading = f"### Details: {escape_line(title, 80)}"
    facts = lines(*_facts(run, inputs, origin, explained=explained))
    values = lines(*_values(inputs, None))
    why, log = (explanation_of(run), run.failure_log) if explained else ("", None)
    if sum(map(len, (heading, facts, values, why, log or ""))) > MAX_INLINE:
        told = "That is too long to show here. The file has all of it."
        values = lines(*[*_values(inputs, _SHORT)][:_LINES])
        file = File[LayoutView](f"attachment://{FILENAME}")
        layout = framed(Colour.blurple(), heading, values, why, facts, told, file)
        links = ((option, str(file.url)) for option, file in inputs.files)
        parts = [f"{name}:\n{value}" for name, value in (*inputs.values, *links)]
        return layout, "\n\n".join([run.key, *parts, *([log] if log else [])]) + "\n"
    log_text = lines(_LOG, *text_blocks((log,), spoiler=False, space=0)) if log else ""
    erased = "The inputs were deleted." if run.erased_at is not None else ""
    return framed(Colour.blurple(), heading, values, why, facts, log_text, erased), None


def input_lines(inputs: ShownInputs, limit: int | None) -> list[str]:
    return [
        f"**{escape_line(name, 32)}:** {escape_line(value, limit or len(value) + 1)}"
        for name, value in inputs.values
    ]


def _values(inputs: ShownInputs, limit: int | None) -> Iterator[str]:
    yield from input_lines(inputs, limit)
    for option, file in inputs.files:
        name = escape_line(shorten(file.filename or "", 60), 60)
        yield f"**{escape_line(option, 32)}:** [{name}]({file.url})"


def _facts(run: Run, inputs: ShownInputs, origin: str | None, *, explained: bool) -> Iterator[str]:
    """Yield three subtext lines: state and cost, times, and ids."""
    state = [say(ending(run)), *(["deleted"] if run.deleted_at is not None else [])]
    if run.live_status and (not run.final or (explained and explanation_of(run))):
        state.append(f"step {escape_line(run.live_status, 60)}")
    state += took(run.run_duration)
    if run.seed is not None and str(run.seed) not in (value for _, value in inputs.values):
        state.append(f"seed {run.seed}")
    if run.gpu or run.gpu_used:
        requested = escape_line(run.gpu, 32) if run.gpu else "any"
        used = escape_line(run.gpu_used, 32) if run.gpu_used else "not known"
        state.append(f"GPU requested: {requested}, used: {used}")
    yield subtext(state)
    times: Sequence[tuple[str, datetime | None, TimestampStyle]] = (
        ("requested", run.created_at, "f"),
        ("queued", run.submitted_at, "T"),
        ("started", run.started_at, "T"),
        ("ended", run.ended_at, "T"),
    )
    yield subtext(f"{fact} {format_dt(at, style)}" for fact, at, style in times if at is not None)
    names = [f"request `{run.key}`"]
    if run.count > 1:
        names.append(f"number {run.number} of {run.count}")
    if run.parent_key:
        key = f"`{run.parent_key}`"
        names.append(f"made from [{key}]({origin})" if origin else f"made from {key}")
    yield subtext(names)


def left_out(run: Run) -> Iterator[str]:
    """Yield how many of a run's outputs wait for a moderator, or aren't shown."""
    hidden, made = len(numbers_with(run.verdicts, Verdict.HIDDEN)), len(run.outputs)
    for code, count in (("held_some", len(run.held)), ("hidden_some", hidden)):
        if count:
            yield say(code if made > 1 else f"{code}_only", count=count, made=made)
