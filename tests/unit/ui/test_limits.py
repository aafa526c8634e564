"""Lists, details, help and cards within Discord's limits, with any number of rows and texts of any length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from discord.ui.view import BaseView
from hypothesis import given
from hypothesis import strategies as st

from bot.deployments.choices import input_of
from bot.deployments.command_plan import plan_commands
from bot.deployments.input_text import ShownInputs, command_line, displayed_inputs
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.budgets import Usage
from bot.domain.moderation import Report
from bot.domain.pages import PAGE_SIZE, RunFilter, RunListEntry
from bot.domain.policy import Standing
from bot.domain.requests import ChannelDefault, Holder, Member
from bot.domain.runs import InputValue, Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.ui.custom_ids import HelpPage, RunsId
from bot.ui.help import help_layout, rules_text, start_text
from bot.ui.lists import blocked_layout, presets_layout, queue_layout, runs_layout
from bot.ui.message_parts import FileKind, PreparedOutputs
from bot.ui.moderation import decided_card, pictures_card, report_card, review_card, turned_away_letter
from bot.ui.run_facts import details
from tests.unit.deployments.made import but, choice, offering
from tests.unit.factories import made_block, made_preset, made_run
from tests.unit.ui import card_messages
from tests.unit.ui.messages import ASKED, assert_within_limits, components, file, text

WORST = "*_`~<@[" * 1000
LARGEST = (1 << 63) - 1


def run(**changes: Any) -> Run:
    """Return a run with the longest of everything."""
    worst = {
        "state": RunState.AWAITING_APPROVAL,
        "key": "k" * 20,
        "requester_id": LARGEST,
        "guild_id": LARGEST,
        "channel_id": LARGEST - 1,
        "status_message_id": LARGEST - 2,
        "prompt": WORST,
    }
    return made_run(**{**worst, **changes})


def custom_ids(layout: BaseView) -> list[str]:
    return [part["custom_id"] for part in components(layout) if "custom_id" in part]


ENTRIES = [RunListEntry([run(key=f"key{number}")], True, None) for number in range(PAGE_SIZE)]


@pytest.mark.parametrize("here", [None, 7])
def test_results_of_other_servers_are_listed_but_not_offered(here: int | None) -> None:
    layout = runs_layout(ENTRIES, RunsId(0), lambda _: WORST, more=False, here=here, pictures={})
    assert len(text(layout)) <= 4000
    assert (
        text(layout).count("use `/runs` [where you requested it](https://discord.com/channels/") == PAGE_SIZE
    )
    assert not [found for found in custom_ids(layout) if ":redeliver:" in found]


@pytest.mark.parametrize("wanted", RunFilter)
def test_a_page_of_runs_fits(wanted: RunFilter) -> None:
    pictures = {entry.first.key: "https://cdn.example/a.png" for entry in ENTRIES}
    layout = runs_layout(
        ENTRIES, RunsId(9999, wanted), lambda _: WORST, more=True, here=LARGEST, pictures=pictures
    )
    assert len(text(layout)) <= 4000
    assert len(components(layout)) <= 40
    ids = custom_ids(layout)
    assert len(ids) == len(set(ids)) == PAGE_SIZE + 2
    assert all(len(custom_id) <= 100 and RunsId.read(custom_id) for custom_id in ids)


def test_a_page_of_the_queue_fits_and_goes_on_counting() -> None:
    found = [run(state=RunState.WAITING, queue_position=10**6) for _ in range(PAGE_SIZE)]
    ends = dict.fromkeys((each.key for each in found), ASKED.replace(year=9999))
    batches = [[each] for each in found]
    layout = queue_layout(batches, 3, more=True, viewer_id=LARGEST, title=lambda _: WORST, ends=ends)
    assert len(text(layout)) <= 4000
    assert "\n31. " in text(layout)


def test_a_page_of_blocked_users_fits() -> None:
    block = made_block(WORST, ASKED, user_id=LARGEST, created_at=ASKED.replace(year=9999), created_by=LARGEST)
    layout = blocked_layout([block] * PAGE_SIZE, 999999, more=True)
    assert len(text(layout)) <= 4000
    assert len(components(layout)) <= 40
    assert all(len(custom_id) <= 100 for custom_id in custom_ids(layout))


def test_a_page_of_presets_fits() -> None:
    one = made_preset("*" * 32, holder=Holder.SERVER, inputs={"style": WORST}, gpu="A10G", created_by=None)
    layout = presets_layout(
        [one, *([replace(one, gpu="L4")] * (PAGE_SIZE - 1))],
        1,
        more=True,
        title=lambda _: WORST,
        inputs=lambda preset: displayed_inputs(None, preset.inputs),
        default=ChannelDefault(channel_id=LARGEST, preset=one, set_at=ASKED, set_by=LARGEST),
    )
    assert len(text(layout)) <= 4000


PROMPT = input_of(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True)
FLUX = offering(PROMPT)


def test_short_details_need_no_file() -> None:
    assert details(made_run(inputs={"p": "a fox"}), "Flux", FLUX, "/generate prompt:a fox").file is None


def test_a_command_with_a_fence_is_in_the_file_and_the_values_in_the_message() -> None:
    prompt = f"a ``` {'very ' * 30}long road"
    command = command_line(plan_commands([FLUX]), FLUX, {"p": prompt}, None)
    failed = made_run(inputs={"p": prompt}, failure_code="run_failed", failure_log="a log")
    found = details(failed, "Flux", FLUX, command, explained=True)
    assert "long road" in text(found.layout)
    assert "a log" in text(found.layout)
    assert "Backticks in this command would break it here. Please copy it from the file." in text(
        found.layout
    )
    assert "too long" not in text(found.layout)
    assert found.file is not None
    assert command in found.file


def test_details_name_the_option_of_each_file_and_say_that_pasting_leaves_it_out() -> None:
    images = input_of(key="i", option="image", kind=InputKind.IMAGES, max_count=2)
    taking = offering(PROMPT, images)
    inputs: dict[str, InputValue] = {"p": "a fox", "i": [f"https://x/{name}.png" for name in "abc"]}
    command = command_line(plan_commands([taking]), taking, inputs, None)
    found = text(details(made_run(inputs=inputs), "Flux", taking, command).layout)
    for option, name in (("image1", "a"), ("image2", "b"), ("image", "c")):
        assert f"**{option}:** [{name}.png](https://x/{name}.png)" in found
    assert "Files can't be pasted. Please attach them again: `image1`, `image2`" in found


@pytest.mark.parametrize("prompt", ["x" * 6000, "*" * 3000, "a ``` b", "<@1>" * 900])
def test_long_or_fenced_prompts_are_whole_in_the_file_of_details(prompt: str) -> None:
    command = command_line(plan_commands([FLUX]), FLUX, {"p": prompt}, None)
    found = details(made_run(inputs={"p": prompt}), "Flux", FLUX, command)
    assert found.file is not None
    assert f"/generate prompt:{prompt}" in found.file
    assert len(text(found.layout)) <= 4000


def test_details_of_many_inputs_fit() -> None:
    inputs = {f"key{n}": "*" * 500 for n in range(60)}
    found = details(made_run(inputs=inputs), "Flux", None, None)
    assert len(text(found.layout)) <= 4000
    assert found.file is not None
    assert "key59" in found.file


def deployment(
    number: int, inputs: int = 3, words: str = "a description", group: str | None = None
) -> Deployment:
    choices = tuple(choice(f"{words[:60]}{n}", str(n)) for n in range(30))
    plain = input_of(key="", option="", kind=InputKind.TEXT, description=words, choices=choices)
    options = (but(plain, key=f"k{index}", option=f"option_{index}") for index in range(inputs))
    return offering(
        *options,
        name=f"name-{number:03}",
        title=f"{words[:60]} {number}",
        description=words,
        group=group,
    )


GPUS = tuple(f"GPU-{number}" for number in range(40))


def rules(deployments: Sequence[Deployment]) -> str:
    """Return a text with every rule and every name."""
    names = [each.name for each in deployments]
    budget = {"runs_a_day": 10**6, "gpu_seconds_a_day": 10**6, "at_once": 10**6}
    all_rules = ServerRules.model_validate(
        {
            "approval": {"mode": "selected", "deployments": names, "gpus": GPUS},
            "budgets": {"person": budget, "server": budget},
            "deployment_roles": {name: {5} for name in names},
            "gpu_roles": {gpu: {5} for gpu in GPUS},
        }
    )
    usage = Usage(now=ASKED, day_end=ASKED, block=made_block(WORST, ASKED), paused=WORST)
    shown = Standing(
        person=Member(id=1, created_at=ASKED),
        usage=usage,
        rules=all_rules,
        deployments=names,
        age_restricted=names,
        gpus=GPUS,
        in_server=True,
    )
    return rules_text(shown, {each.name: each.title for each in deployments}.__getitem__)


@pytest.mark.parametrize("many", [1, 2, 10, 24, 55])
@pytest.mark.parametrize("words", ["", "short", WORST[:1400]])
def test_help_fits_with_any_number_of_deployments_and_any_words(many: int, words: str) -> None:
    groups = [f"group-{number // 20}" if many > 25 else None for number in range(many)]
    # Discord's 8,000 characters for a command bound both together.
    inputs = 3 if many <= 10 else 0
    deployments = [deployment(number, inputs, words, group) for number, group in enumerate(groups)]
    plan = plan_commands(deployments)
    start = start_text(deployments, plan, lambda path: f"<{path}:{2**63}>")
    for shown in (start, rules(deployments)):
        assert 0 < len(text(help_layout(HelpPage.START, shown))) <= 4000


@given(
    values=st.lists(st.tuples(st.text(max_size=60), st.text(max_size=6000)), max_size=80),
    files=st.lists(st.sampled_from(FileKind), max_size=40),
    remarks=st.lists(st.text(min_size=1, max_size=1500).filter(str.strip), max_size=40),
    reason=st.text(max_size=600),
    gpu=st.text(max_size=60),
)
def test_any_card_fits(
    values: list[tuple[str, str]], files: list[FileKind], remarks: list[str], reason: str, gpu: str
) -> None:
    subject = card_messages.run(gpu=gpu, failure_params={"reason": reason}, prompt=reason)
    inputs = ShownInputs(tuple(values), ())
    named = tuple(file(number, kind, "x") for number, kind in enumerate(files))
    prepared = PreparedOutputs(named, remarks=tuple(remarks))
    reports = [Report(number, "x", reason) for number in range(9)]
    rejected = replace(subject, state=RunState.REJECTED, decided_by=1, decided_at=ASKED)
    held = replace(subject, state=RunState.SUCCEEDED, **card_messages.HELD)
    for part in (
        review_card(subject, gpu or "x", inputs, prepared),
        decided_card(rejected, gpu or "x", inputs),
        turned_away_letter(rejected, gpu or "x"),
        *pictures_card([held], gpu or "x", prepared, withheld=True),
        report_card(subject, gpu or "x", reports, None, replace(prepared, texts=(reason * 2,) * 3)),
    ):
        assert_within_limits(part)
