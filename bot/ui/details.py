"""The message behind Details: everything about one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from discord import Colour
from discord.ui import File, LayoutView, TextDisplay

from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.deployments.model import Deployment
from bot.domain.runs import Deletions, Run
from bot.domain.text import escape_line, shorten
from bot.strings import say
from bot.ui.message_parts import subtext, text_blocks
from bot.ui.run_facts import deletion_facts, ending, explanation_of, took
from bot.ui.views import framed

# Longer details go into a file: a layout holds 4,000 characters of text.
MAX_INLINE = 3500
FILENAME = "details.txt"
_SHORT = 120
_LINES = 15
_NOTHING = Deletions()


@dataclass(frozen=True, slots=True)
class Details:
    """The content of the Details message.

    `file` is None, or the full text to attach as `FILENAME` if it is too long for the message.
    """

    layout: LayoutView
    file: str | None


def details(
    run: Run,
    title: str,
    deployment: Deployment | None,
    command: str | None,
    *,
    explained: bool = False,
    origin: str | None = None,
    deletions: Deletions = _NOTHING,
    repeatable: bool = True,
) -> Details:
    """Build the details of a run. `command` repeats it, or is None if `deployment` is None or the requester
    has erased the inputs.

    If `explained`, they say why the run failed, with the end of its log; only the requester and moderators
    may read that. `origin` is a link to the result of the run's parent, or None. `deletions` is what to tell
    the reader about deletions. If not `repeatable`, the message has no command and doesn't say why.
    """
    inputs = displayed_inputs(deployment, run.inputs)
    heading = say("details_heading", title=escape_line(title, 80))
    facts = "\n".join(_facts(run, inputs, origin, deletions, explained=explained))
    values = "\n".join(_values(inputs, None))
    why, log = (explanation_of(run), run.failure_log) if explained else ("", None)
    size = sum(map(len, (heading, facts, values, command or "", why, log or "")))
    log_text = "\n".join([say("details_log"), *text_blocks((log,), spoiler=False, space=0)]) if log else ""
    in_file = ""
    if size > MAX_INLINE:
        in_file, log_text = "details_in_file", ""
        values = "\n".join([*_values(inputs, _SHORT)][:_LINES])
    elif "```" in (command or ""):
        in_file = "details_command_in_file"
    if command is not None:
        command_texts = [say(in_file or "details_command", command=command)]
        if inputs.file_options:
            names = ", ".join(f"`{name}`" for name in inputs.file_options)
            command_texts.append(say("details_attach", options=names))
    else:
        command_texts = [say("details_all_in_file")] if in_file else []
        if repeatable:
            command_texts.append(say("details_erased" if deployment is not None else "details_gone"))
    command_text = "\n".join(command_texts)
    file = [File[LayoutView](f"attachment://{FILENAME}")] if in_file else []
    shown = filter(None, (heading, values, why, facts, log_text, command_text))
    layout = framed(Colour.blurple(), *map(TextDisplay[LayoutView], shown), *file)
    return Details(layout, _full_text(run.key, inputs, command or "", log) if in_file else None)


def _values(inputs: ShownInputs, limit: int | None) -> Iterator[str]:
    for name, value in inputs.values:
        yield say(
            "details_input", name=escape_line(name, 32), value=escape_line(value, limit or len(value) + 1)
        )
    for option, file in zip(inputs.file_options, inputs.files, strict=True):
        name = escape_line(shorten(file.filename or "", 60), 60)
        yield say("details_input_file", option=escape_line(option, 32), name=name, url=file.url)


def _facts(
    run: Run, inputs: ShownInputs, origin: str | None, deletions: Deletions, *, explained: bool
) -> Iterator[str]:
    """Yield three subtext lines: state and cost, times, and ids."""
    seed_listed = str(run.seed) in (value for _, value in inputs.values)
    shown = replace(run, seed=None) if seed_listed else run
    yield subtext(_state_facts(shown, deletions, explained=explained))
    yield subtext(say(code, at=int(at.timestamp())) for code, at in _times(run).items() if at is not None)
    names = [say("details_key", key=run.key)]
    if run.count > 1:
        names.append(say("details_several", number=run.number, count=run.count))
    if run.parent_key:
        code = "details_parent_link" if origin else "details_parent"
        names.append(say(code, key=run.parent_key, url=origin))
    yield subtext(names)


def _state_facts(run: Run, deletions: Deletions, *, explained: bool) -> Iterator[str]:
    yield say("details_state", state=say(ending(run)))
    yield from deletion_facts(deletions)
    failed_here = explained and explanation_of(run)
    if run.live_status and (failed_here or not run.final):
        yield say("details_step", step=escape_line(run.live_status, 60))
    yield from took("details_took", run.known_duration)
    if run.seed is not None:
        yield say("details_seed", seed=run.seed)
    if run.gpu or run.gpu_used:
        requested = escape_line(run.gpu, 32) if run.gpu else say("details_any_gpu")
        used = escape_line(run.gpu_used, 32) if run.gpu_used else say("details_unknown")
        yield say("details_gpu", asked=requested, used=used)


def _times(run: Run) -> Mapping[str, datetime | None]:
    return {
        "details_asked": run.created_at,
        "details_queued": run.submitted_at,
        "details_started": run.started_at,
        "details_ended": run.ended_at,
    }


def _full_text(key: str, inputs: ShownInputs, command: str, log: str | None) -> str:
    """Return all inputs, the log and the commands as plain text, to read and copy."""
    parts = [f"{name}:\n{value}" for name, value in inputs.values]
    files = zip(inputs.file_options, inputs.files, strict=True)
    parts += [f"{option}:\n{file.url}" for option, file in files]
    return "\n\n".join([key, *parts, *filter(None, [log, command])]) + "\n"
