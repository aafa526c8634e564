"""Every message as a person sees it, compared whole with the files in `snapshots/`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from bot.deployments.choices import input_of
from bot.deployments.command_plan import PRESET_OPTION, plan_commands
from bot.deployments.draft import Draft
from bot.deployments.input_text import ShownInputs, command_line, displayed_inputs
from bot.deployments.merge import Stored
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.budgets import Limits, Spending, Usage, UsageView
from bot.domain.forms import Option
from bot.domain.messages.records import MessageRef
from bot.domain.moderation import Block
from bot.domain.pages import RunFilter, RunListEntry
from bot.domain.policy import Standing
from bot.domain.requests import ChannelDefault, Holder, Member, Preset
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import Approval, ApprovalMode, Budget, Budgets, ServerRules
from bot.ui.custom_ids import DraftId, HelpPage, RunsId
from bot.ui.forms import form_modal, pictures_layout, refused_layout, share_modal
from bot.ui.help import (
    commands_text,
    examples_text,
    greeting_layout,
    help_layout,
    rules_text,
    start_text,
    usage_layout,
)
from bot.ui.lists import (
    blocked_layout,
    presets_layout,
    queue_layout,
    replace_layout,
    runs_layout,
)
from bot.ui.moderation import block_modal, reject_modal, report_modal
from bot.ui.run_facts import details
from bot.ui.status import status_message
from tests.unit.deployments.made import but, choice, offering
from tests.unit.factories import made_block, made_preset
from tests.unit.ui.audit_messages import AUDIT
from tests.unit.ui.batch_messages import SEVERAL
from tests.unit.ui.card_messages import CARDS
from tests.unit.ui.follow_up_messages import AFTER_RESULTS
from tests.unit.ui.messages import ASKED, KEY
from tests.unit.ui.run_messages import ENDS, RESULTS, SHARES, STATUS, TITLE, outcome, run
from tests.unit.ui.settings_messages import SETTINGS
from tests.unit.ui.snapshot import FOLDER, compare, of_layout, of_modal, of_parts

STYLES = ("photo", "ink")
FLUX = offering(
    *(
        input_of(
            key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True, required=True, max_length=500
        ),
        input_of(key="s", option="style", kind=InputKind.TEXT, choices=tuple(choice(n, n) for n in STYLES)),
        input_of(key="w", option="width", kind=InputKind.INTEGER, minimum=256, maximum=1536),
        input_of(key="n", option="seed", kind=InputKind.INTEGER, is_seed=True),
        input_of(key="i", option="image", kind=InputKind.IMAGE),
    ),
    title=TITLE,
    description="Pictures from words",
    gpus=("L4", "T4"),
)
SONG = offering(name="song", deployment_id="e", title="Song")
BOTH = (FLUX, SONG)
PLAN = plan_commands(BOTH, (PRESET_OPTION,))


def limited(rules: ServerRules, *, age_restricted_channel: bool = False, **usage: Any) -> Standing:
    """Return what rules mean for a member who has used a little today."""
    spent = Spending(runs=3, gpu_seconds=100.4, waiting=1)
    return Standing(
        person=Member(id=42, created_at=ASKED),
        usage=Usage(now=ASKED, day_end=ASKED + timedelta(hours=11.5), person=spent, server=spent, **usage),
        rules=rules,
        deployments=("flux", "song"),
        age_restricted=("song",),
        gpus=("L4", "H100"),
        in_server=True,
        age_restricted_channel=age_restricted_channel,
    )


LIMITED = limited(
    ServerRules(
        approval=Approval(
            mode=ApprovalMode.SELECTED, deployments=frozenset({"flux"}), gpus=frozenset({"L4"})
        ),
        budgets=Budgets(
            person=Budget(runs_a_day=10, gpu_seconds_a_day=600),
            server=Budget(runs_a_day=2, gpu_seconds_a_day=900),
        ),
        gpu_roles={"H100": frozenset({5})},
    )
)
HOUSE = made_preset("house *style*", holder=Holder.SERVER)
FREE = replace(limited(ServerRules(private_results=True), age_restricted_channel=True), defaults=[HOUSE])
CLOSED = limited(
    ServerRules(
        approval=Approval(mode=ApprovalMode.WITHOUT_ROLES, exempt_roles=frozenset({5})),
        deployment_roles={"song": frozenset({5})},
    ),
    block=made_block("spam", None),
    paused="maintenance",
)


def clickable(path: str) -> str:
    return f"<{path}:99>"


def presets() -> list[Preset]:
    asked = {"inputs": {"s": "ink", "p": "{prompt}, in ink"}, "gpu": "L4", "created_by": 42}
    return [made_preset("noir", **asked), made_preset("house style", holder=Holder.SERVER, **asked)]


def blocks() -> list[Block]:
    block = made_block("spam *again*", created_at=ASKED)
    return [block, replace(block, user_id=7, reason=None, until=ASKED + timedelta(days=7))]


def blocked_usage() -> UsageView:
    """Return the usage of a member whom a moderator has blocked for a week."""
    usage = Usage(now=ASKED, day_end=ASKED, block=made_block("spam *again*", ASKED + timedelta(days=7)))
    return UsageView(42, True, usage, (1, 1), Limits(at_once=2), None)


def inputs_of_preset(preset: Preset) -> ShownInputs:
    return displayed_inputs(FLUX, preset.inputs)


def listed() -> list[RunListEntry]:
    s = RunState
    return [
        RunListEntry([run(s.RUNNING, key="a" * 16)], False, None),
        RunListEntry([run(s.WAITING, key="b" * 16, queue_position=2, prompt=None)], False, None),
        RunListEntry([run(key="c" * 16)], True, None),
        RunListEntry([run(key="d" * 16)], False, (2, 5)),
        RunListEntry([run(s.FAILED, key="e" * 16)], False, (99, 5)),
        RunListEntry([run(key="f" * 16, user_install=True, guild_id=None)], False, (2, 5)),
        RunListEntry([run(key="g" * 16, private=True)], False, (2, 5)),
        RunListEntry([run(s.RUNNING, key="h" * 16, cancel_requested_at=ASKED)], False, None),
    ]


def kept() -> list[RunListEntry]:
    """Results that wait to be posted: of this server, of another, and of none."""
    return [
        RunListEntry([run(key="a" * 16, guild_id=7)], True, None),
        RunListEntry([run(key="b" * 16)], True, None),
        RunListEntry([run(key="c" * 16, user_install=True, guild_id=None)], True, None),
    ]


def with_thumbnails() -> str:
    entries = [
        RunListEntry([run(key=letter * 16, spoiler=letter == "b")], False, MessageRef(2, 3))
        for letter in "abc"
    ]
    pictures = {letter * 16: f"https://cdn.example/{letter}.png" for letter in "ab"}
    shown = runs_layout(
        entries, RunsId(0), title, more=False, here=1, pictures=pictures, restricted={"c" * 16}
    )
    return of_layout(shown)


def title(name: str) -> str:
    return {"flux": TITLE, "song": "Song"}[name]


def queue() -> str:
    waiting = run(RunState.WAITING, requester_id=7, queue_position=1)
    found = [run(RunState.RUNNING), waiting, replace(waiting, queue_position=2, private=True)]
    found += [replace(waiting, state=RunState.QUEUED, queue_position=position) for position in (1, 3)]
    found.append(replace(waiting, queue_position=51))
    several = [replace(waiting, key=f"{n}" * 16, index=n, count=3, queue_position=n) for n in (2, 3)]
    batches = [*([each] for each in found), [replace(several[0], state=RunState.SUCCEEDED), *several]]
    ends = {found[0].request_key: ASKED}
    return of_layout(queue_layout(batches, 0, more=True, viewer_id=42, title=title, ends=ends))


def form_of(made: Deployment, stored: Stored) -> str:
    return of_modal(form_modal(f"draft:{KEY}::::", TITLE, Draft(deployment=made, stored=[stored]).fields({})))


def form() -> str:
    made = run(inputs={"p": "a lighthouse", "s": "ink", "w": 768, "n": 7, "i": "https://cdn.example/a.png"})
    return of_modal(
        form_modal(
            f"draft:{KEY}::::", TITLE, Draft(deployment=FLUX, stored=[Stored(made.inputs, "L4")]).fields({})
        )
    )


def form_of_choices() -> str:
    styles = tuple(choice(name, name) for name in ("photo", "oil"))
    hires = input_of(key="h", option="hires", kind=InputKind.BOOLEAN, default=False)
    prompt, style, *_ = FLUX.inputs.values()
    made = offering(prompt, but(style, choices=styles, default="photo"), hires, gpus=FLUX.gpus)
    gone = Stored({"p": "a lighthouse", "s": "ink"}, "L4")
    kept = Stored({"p": "a lighthouse", "s": "oil", "h": True})
    return "".join(form_of(made, stored) for stored in (gone, kept))


def form_of_a_long_text() -> str:
    prompt, *others = FLUX.inputs.values()
    made = offering(but(prompt, max_length=6000), *others, gpus=FLUX.gpus)
    return of_modal(
        form_modal(
            f"draft:{KEY}::::",
            TITLE,
            Draft(deployment=made, stored=[Stored({"p": "fox " * 1200})]).fields({}),
        )
    )


def pictures() -> str:
    choices = [Option(each.name, each.title, each.description) for each in (FLUX, SONG)]
    return of_layout(pictures_layout(["https://cdn.example/a.png"], [KEY], choices))


def no_runs(page: RunsId) -> str:
    return of_layout(runs_layout([], page, title, more=False, here=1, pictures={}))


def of_presets(presets: list[Preset], *, more: bool) -> str:
    default = ChannelDefault(channel_id=2, preset=presets[-1], set_at=ASKED, set_by=7) if presets else None
    return of_layout(
        presets_layout(presets, 0, more=more, title=title, inputs=inputs_of_preset, default=default)
    )


def question(earlier: Preset) -> str:
    inputs = inputs_of_preset(earlier)
    return of_layout(replace_layout(earlier, title, inputs, "0123abcd"))


FAILED = run(
    RunState.FAILED,
    failure_code="run_failed",
    live_status="Executing KSampler",
    failure_log="Traceback ```\nValueError: no *model*",
)


def shown_details(made: Run, deployment: Deployment | None, *, explained: bool = False) -> str:
    offered = deployment is not None
    command = command_line(PLAN, deployment, made.inputs, made.gpu) if offered else None
    return of_layout(details(made, TITLE, deployment, command, explained=explained).layout)


def details_of_a_batch() -> str:
    several = FLUX.model_copy(update={"max_count": 4})
    command = command_line(plan_commands([several]), several, {"p": "a lighthouse"}, None)
    return of_layout(details(run(count=4, deleted_at=ASKED), TITLE, FLUX, command).layout)


OTHERS: Mapping[str, Callable[[], str]] = {
    **AFTER_RESULTS,
    **AUDIT,
    **CARDS,
    **SEVERAL,
    **SETTINGS,
    "runs": lambda: of_layout(runs_layout(listed(), RunsId(0), title, more=True, here=1, pictures={})),
    "runs-thumbnails": with_thumbnails,
    "runs-elsewhere": lambda: of_layout(
        runs_layout(kept(), RunsId(0), title, more=False, here=7, pictures={})
    ),
    "runs-none": lambda: no_runs(RunsId(0)),
    "runs-none-such": lambda: no_runs(RunsId(0, RunFilter.UNDELIVERED)),
    "queue": queue,
    "queue-none": lambda: of_layout(queue_layout([], 0, more=False, viewer_id=42, title=title, ends={})),
    "greeting": lambda: of_layout(greeting_layout(clickable, BOTH, PLAN)),
    "help": lambda: of_layout(help_layout(HelpPage.START, start_text(BOTH, PLAN, clickable))),
    "help-examples": lambda: f"{examples_text(BOTH)}\n",
    "help-limits": lambda: f"{rules_text(LIMITED, title)}\n",
    "help-commands": lambda: of_layout(
        help_layout(HelpPage.COMMANDS, commands_text(clickable, in_server=True))
    ),
    "help-no-limits": lambda: f"{rules_text(FREE, title)}\n",
    "help-closed": lambda: f"{rules_text(CLOSED, title)}\n",
    "share-form": lambda: of_modal(share_modal(KEY)),
    "reject-form": lambda: of_modal(reject_modal(KEY)),
    "report-form": lambda: of_modal(report_modal(KEY)),
    "block-form": lambda: of_modal(block_modal(KEY)),
    "details": lambda: shown_details(run(parent_key="p" * 16, gpu="L4"), FLUX),
    "details-log": lambda: shown_details(FAILED, FLUX, explained=True),
    "details-no-log": lambda: shown_details(replace(FAILED, failure_log=None), FLUX, explained=True),
    "details-of-another": lambda: shown_details(FAILED, FLUX),
    "details-batch": details_of_a_batch,
    "details-gone": lambda: shown_details(run(), None),
    "blocked": lambda: of_layout(blocked_layout(blocks(), 1, more=True)),
    "blocked-none": lambda: of_layout(blocked_layout([], 0, more=False)),
    "usage-blocked": lambda: of_layout(usage_layout(blocked_usage())),
    "presets": lambda: of_presets(presets(), more=True),
    "preset-taken": lambda: question(presets()[0]),
    "preset-taken-server": lambda: question(presets()[1]),
    "presets-none": lambda: of_presets([], more=False),
    "edit": form,
    "edit-choices": form_of_choices,
    "edit-long-text": form_of_a_long_text,
    "edit-refused": lambda: of_layout(
        refused_layout("`width` is 9, but must be at least 256.", DraftId(KEY, draft="0a"))
    ),
    "edit-refused-count": lambda: of_layout(
        refused_layout("You have 2 left today, and asked for 4.", DraftId(KEY, draft="0a"), 2)
    ),
    "use-as-input": pictures,
}


def status(made: Run, *expected: datetime) -> str:
    return of_parts([status_message([made], TITLE, *expected)])


# The file of each message. These status messages have another one with an estimated end.
SOON = ASKED + timedelta(minutes=2)
EXPECTED = ("waiting", "queued", "running")
SNAPSHOTS: Mapping[str, Callable[[], str]] = {
    **{f"status-{name}": partial(status, made) for name, made in STATUS.items()},
    **{f"status-{name}-expected": partial(status, STATUS[name], SOON) for name in EXPECTED},
    **{f"end-{name}": partial(of_parts, outcome(made)) for name, made in ENDS.items()},
    **{f"result-{name}": partial(of_parts, parts) for name, parts in RESULTS.items()},
    **{name: partial(of_parts, parts) for name, parts in SHARES.items()},
    **OTHERS,
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_message_is_as_in_its_file(name: str) -> None:
    compare(name, SNAPSHOTS[name]())


# Lines of small text that are users' own words.
OWN_WORDS = ("a lighthouse", "prompt: ")


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_line_of_facts_begins_with_a_capital_letter(name: str) -> None:
    facts = re.findall(r"-# ([a-z].*)", SNAPSHOTS[name]())
    assert all(fact.startswith(OWN_WORDS) for fact in facts), facts


def test_every_state_and_every_file_has_its_test() -> None:
    states = {each.state for each in (*STATUS.values(), *ENDS.values())}
    assert states == set(RunState) - {RunState.SUCCEEDED}
    assert {path.stem for path in FOLDER.glob("*")} == set(SNAPSHOTS)
