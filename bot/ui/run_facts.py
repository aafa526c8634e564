"""What messages say about a run: its title, why it ended, its prompt, and facts about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from discord import Colour

from bot.domain.runs import Deletions, Run, RunState
from bot.domain.text import escape_line
from bot.domain.text.run_log import FailureKind, failure_kind, last_error
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.strings import say
from bot.ui.message_parts import PROMPT_SHOWN

_ERROR_SHOWN = 200
_RUN_FAILED = "run_failed"
_OWN_SENTENCES = {
    FailureKind.OUT_OF_MEMORY: "run_failed_memory",
    FailureKind.INPUT_REFUSED: "run_failed_input",
}


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


def phase(state: RunState) -> str:
    """Return the string code of a state's title."""
    return "title_approval" if state is RunState.AWAITING_APPROVAL else f"title_{state.value}"


def ending(run: Run) -> str:
    """Return the string code of a run's title.

    This is the title of its state, except that partial results and runs ended by a block have their own.
    """
    if run.failure_code == REQUESTER_BLOCKED:
        return "title_blocked"
    return "title_partial" if run.partial else phase(run.state)


def block_code(prefix: str, run: Run) -> str:
    """Return the code of a sentence about a block, which says how long the block lasts.

    `run` is a run that the block ended, and `prefix` is the beginning of the code. Runs that an earlier
    version ended have no `until`, so the sentence about them leaves this out.
    """
    until = run.failure_params.get("until")
    if until is None:
        return prefix
    return f"{prefix}_until" if until else f"{prefix}_open"


def reason_of(run: Run) -> str:
    """Return the sentence that says why a run did not succeed.

    Only that of a private run, which nobody but its requester and moderators sees, may quote the run's log.
    """
    code = run.failure_code or "internal"
    if code == _RUN_FAILED:
        return _failure_reason(run, quoted=run.private)
    if code == "comfy_invalid" and not run.failure_params.get("fields"):
        code = "comfy_invalid_unnamed"
    if code == REQUESTER_BLOCKED:
        return _block_reason(run)
    params = {
        name: escape_line(value, 100) if isinstance(value, str) else value
        for name, value in run.failure_params.items()
    }
    return say(code, **params)


def explanation_of(run: Run) -> str:
    """Return what Details says about a run that failed on the machine, or an empty text for any other."""
    if run.failure_code != _RUN_FAILED:
        return ""
    return _failure_reason(run, quoted=True) if run.failure_log else say("run_failed_unexplained")


def _failure_reason(run: Run, *, quoted: bool) -> str:
    sentence = _OWN_SENTENCES.get(failure_kind(run.failure_log))
    error = last_error(run.failure_log) if quoted else None
    if sentence is None and error is not None:
        return say("run_failed_because", error=escape_line(error, _ERROR_SHOWN))
    return say(sentence or _RUN_FAILED)


def _block_reason(run: Run) -> str:
    """Return sentences about the block that ended a run and about the other requests that it ended."""
    params = run.failure_params
    others = params.get("others")
    ended = "block_ended_other" if others == 1 else "block_ended_others" if others else "block_ended_one"
    blocked = say(block_code("requester_blocked", run), until=params.get("until"))
    return f"{blocked} {say(ended, others=others)}"


def prompt_line(run: Run, *, only_requester: bool = False) -> str:
    """Quote the run's prompt. A prompt that nobody approved is quoted only if `only_requester` sees it."""
    if run.hidden_from_channel and not only_requester:
        return ""
    return f"> {escape_line(run.prompt, PROMPT_SHOWN)}" if run.prompt else ""


def facts_of(run: Run) -> list[str]:
    if run.hidden_from_channel:
        return []
    facts = [*took("took", run.known_duration), *weighted_time_facts([run])] if run.final else []
    gpu = run.gpu_used or run.gpu
    if gpu:
        facts.append(say("gpu", gpu=escape_line(gpu, 32)))
    if run.seed is not None:
        facts.append(say("seed", seed=run.seed))
    if run.preset_note:
        facts.append(run.preset_note)
    return facts


def deletion_facts(deletions: Deletions) -> list[str]:
    """Return facts about deletions, as told to the requester. They name no moderator."""
    facts = []
    if deletions.outcome:
        facts.append(say("deleted_by_moderator" if deletions.by_moderator else "deleted"))
    elif deletions.partly:
        facts.append(say("partly_deleted_by_moderator" if deletions.by_moderator else "partly_deleted"))
    if deletions.copy_by_moderator:
        facts.append(say("copy_deleted_by_moderator"))
    return facts


def took(code: str, seconds: float | None) -> list[str]:
    """Return the fact `code` with a duration, or an empty list if it is unknown or less than a second."""
    rounded = f"{seconds or 0:.0f}"
    return [] if rounded == "0" else [say(code, seconds=rounded)]


def gpu_time_facts(runs: Sequence[Run]) -> list[str]:
    """Return facts about the total GPU time of the runs, or an empty list unless it is known for all."""
    started = [run for run in runs if run.started_at is not None or run.run_duration is not None]
    if any(run.known_duration is None for run in started):
        return []
    seconds = sum(run.known_duration or 0 for run in started)
    return [*took("several_took", seconds), *weighted_time_facts(runs)]


def weighted_time_facts(runs: Iterable[Run]) -> list[str]:
    """Return how much of the daily limits the runs used, or an empty list if that is their GPU time."""
    measured = [(run.known_duration, run.charged_seconds) for run in runs if run.known_duration is not None]
    gpu_seconds = f"{sum(duration for duration, _ in measured):.0f}"
    weighted = f"{sum(duration if charged is None else charged for duration, charged in measured):.0f}"
    return [say("counted", seconds=weighted)] if weighted != gpu_seconds else []


def result_facts(run: Run) -> list[str]:
    """Return facts about a run. Without a result, they begin with what it used."""
    # A weighted time already says that it counts.
    if run.has_result or weighted_time_facts([run]):
        return facts_of(run)
    return [_used(run), *facts_of(replace(run, run_duration=None))]


def _used(run: Run) -> str:
    """Return how much GPU time a run without a result has used."""
    if not run.charged_seconds:
        return say("charged_nothing_cancelled" if run.state is RunState.CANCELLED else "charged_nothing")
    code = "counted" if run.known_duration is None else "charged_time"
    return say(code, seconds=max(1, round(run.charged_seconds)))


def ending_sentence(run: Run) -> str:
    """Return the reason why a run did not succeed. For a partial result, add that the outputs were made
    before the run ended.
    """
    if not run.partial:
        return reason_of(run)
    # A verdict's state is the bot's own, so its failure code tells how ComfyDeploy ended the run.
    code = run.failure_code or ""
    end = code.removeprefix("run_") if code.startswith("run_") else run.state.value
    return f"{reason_of(run)} {say(f'made_before_{end}')}"


def batch_title(title: str, size: int) -> str:
    """Return a deployment's title, escaped, with the number of runs if it is more than one."""
    name = escape_line(title, 80)
    return name if size == 1 else say("several_title", title=name, count=size)


def in_common(batch: Sequence[Run]) -> Run:
    """Return the first run without the values that differ within a batch: the seed and the duration."""
    return batch[0] if len(batch) == 1 else replace(batch[0], seed=None, run_duration=None)
