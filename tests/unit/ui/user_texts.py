"""Every message with a given text in each place where users' words are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from discord.ui.view import BaseView

from bot.deployments.choices import input_of
from bot.deployments.command_plan import plan_commands
from bot.deployments.input_text import ShownInputs, command_line
from bot.domain.backend import InputKind
from bot.domain.budgets import Limits, Usage, UsageView
from bot.domain.moderation import AuditAction, Report
from bot.domain.pages import RunListEntry
from bot.domain.policy import Standing
from bot.domain.requests import ChannelDefault, Holder, Member
from bot.domain.runs import FINAL, REQUESTER_BLOCKED, Output, Run, RunState
from bot.domain.settings.fields import SECTIONS
from bot.domain.settings.kinds import NotApplied, SettingsContext
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.ui.audit import AuditId, audit_layout
from bot.ui.custom_ids import HelpPage, RunsId
from bot.ui.help import help_layout, plain_mention, rules_text, start_text, usage_layout
from bot.ui.lists import blocked_layout, presets_layout, queue_layout, replace_layout, runs_layout
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedOutputs
from bot.ui.moderation import (
    closed_pictures_card,
    decided_card,
    pictures_card,
    report_card,
    review_card,
    turned_away_letter,
)
from bot.ui.result_buttons import OfferedActions, picked_layout
from bot.ui.results import Batch, opened_messages, outcome_messages, share_messages
from bot.ui.run_facts import details
from bot.ui.settings import Panel, panel_layout
from bot.ui.status import (
    finishing_message,
    held_message,
    linked_outputs,
    plain_messages,
    status_message,
    undelivered_message,
    withheld_message,
)
from tests.unit.deployments.made import offering
from tests.unit.factories import made_block, made_entry, made_preset, made_run
from tests.unit.ui.card_messages import HELD
from tests.unit.ui.messages import ASKED, CODES, file, may_link, outcome

Shown = OutgoingMessage | BaseView
S = RunState
TITLE = "Flux"
LINK = "https://discord.com/channels/1/2/3"
PROMPT = input_of(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True)
IMAGE = input_of(key="i", option="image", kind=InputKind.IMAGE)
FLUX = offering(PROMPT, IMAGE, title=TITLE)


def title(_name: str) -> str:
    return TITLE


def run(words: str, state: RunState = S.SUCCEEDED, **more: Any) -> Run:
    """Return a run whose every text is `words`."""
    told = {
        "prompt": words,
        "live_status": words,
        "gpu_used": words,
        "failure_params": {"reason": words, "fields": words},
        "failure_log": f"ValueError: {words}",
        "outputs": (
            Output("images", url="https://files.example/1", filename=words),
            Output("text", text=words),
        ),
    }
    return made_run(state, **{**told, **more})


def made(words: str, run: Run) -> PreparedOutputs:
    """Return a picture, a text and what is said about a file that is too large."""
    linked = linked_outputs(run, may_link, "media_too_large")
    return PreparedOutputs((file(),), (words,), linked.remarks)


def statuses(words: str) -> list[Shown]:
    return [status_message([run(words, state)], TITLE) for state in S if state not in FINAL]


def ends(words: str) -> list[Shown]:
    shown: list[Shown] = []
    for state in sorted(FINAL):
        for code in {CODES.get(state), "comfy_invalid", "run_failed"} if state is not S.SUCCEEDED else {None}:
            ended = run(words, state, failure_code=code)
            shown += outcome(ended, made(words, ended))
    return shown


def batches(words: str) -> list[Shown]:
    runs = [
        replace(run(words, state), key=letter * 16, request_key="a" * 16, index=index, count=2)
        for index, (letter, state) in enumerate(zip("ab", (S.SUCCEEDED, S.FAILED), strict=True))
    ]
    prepared = {runs[0].key: made(words, runs[0])}
    batch = Batch(runs, prepared)
    single = [picked_layout(one, 1, TITLE, [], made(words, one), OfferedActions()) for one in runs]
    return [*outcome_messages(batch, TITLE), *plain_messages(runs, runs, may_link), *single]


def results(words: str) -> list[Shown]:
    done = run(words)
    prepared = made(words, done)
    sounds = PreparedOutputs((file(kind=FileKind.AUDIO, suffix="wav"),), remarks=prepared.remarks)
    hidden = run(words, spoiler=True)
    return [
        *outcome(done, sounds),
        *outcome(hidden, made(words, hidden)),
        *share_messages(done, TITLE, prepared, LINK, OfferedActions()),
        *share_messages(done, TITLE, sounds, LINK, OfferedActions()),
        *plain_messages([done], [done], may_link),
        *opened_messages(done, TITLE, prepared),
        withheld_message(done, postable=True),
        finishing_message([done], TITLE),
        held_message([done], TITLE),
        undelivered_message([done], TITLE),
    ]


def described(words: str) -> list[Shown]:
    asked = run(words, inputs={"p": words, "i": "https://files.example/a.png"})
    line = command_line(plan_commands((FLUX,)), FLUX, asked.inputs, None)
    gone = run(words, inputs={words or "x": words})
    return [details(asked, TITLE, FLUX, line).layout, details(gone, TITLE, None, None).layout]


def cards(words: str) -> list[Shown]:
    inputs = ShownInputs((("prompt", words), (words or "x", words)), ())
    waiting = run(words, S.AWAITING_APPROVAL, gpu=words)
    rejected = run(words, S.REJECTED, decided_by=1, decided_at=ASKED)
    blocked = replace(rejected, failure_code=REQUESTER_BLOCKED)
    return [
        review_card(waiting, TITLE, inputs, made(words, waiting)),
        decided_card(rejected, TITLE, inputs),
        decided_card(blocked, TITLE, inputs),
        decided_card(run(words, S.REFUSED, failure_code="comfy_invalid"), TITLE, inputs),
        report_card(run(words), TITLE, [Report(8, "Something else", words)], LINK, made(words, run(words))),
        *pictures_card([run(words, **HELD)], TITLE, made(words, run(words)), withheld=True),
        closed_pictures_card(run(words), TITLE, (5, ASKED, {"decision": "posted"})),
        turned_away_letter(rejected, TITLE),
        turned_away_letter(blocked, TITLE),
    ]


def lists(words: str) -> list[Shown]:
    entries = [RunListEntry([run(words)], False, None)]
    preset = made_preset(words or "x", holder=Holder.SERVER, inputs={"style": words}, gpu=words)
    inputs = ShownInputs((("style", words),), ())
    block = made_block(words, created_at=ASKED)
    usage = Usage(now=ASKED, day_end=ASKED, block=made_block(words, ASKED))
    view = UsageView(42, True, usage, (0, 0), Limits(), None)
    member = Member(id=42, created_at=ASKED)
    rules = Standing(person=member, usage=usage, rules=ServerRules(), in_server=True, defaults=[preset])
    default = ChannelDefault(channel_id=2, preset=preset)
    text = rules_text(rules, title)
    return [
        runs_layout(entries, RunsId(0), title, more=False, here=1, pictures={}),
        queue_layout([[run(words, S.RUNNING)]], 0, more=False, viewer_id=42, title=title, ends={}),
        presets_layout([preset], 0, more=False, title=title, inputs=lambda _: inputs, default=default),
        replace_layout(preset, title, inputs, "0123abcd"),
        blocked_layout([block], 0, more=False),
        usage_layout(view),
        help_layout(HelpPage.LIMITS, text),
        help_layout(HelpPage.START, start_text((FLUX,), plan_commands((FLUX,)), plain_mention)),
    ]


def audit(words: str) -> list[Shown]:
    """Return a page for each entry, since a page leaves out the details that don't fit."""
    told = [{"reason": words}, {"rule": words}, {"word": words}, {"GPU": words}, {"channel": words}]
    entries = [made_entry(action=AuditAction.OUTCOME, deployment="flux", details=each) for each in told]
    entries += [made_entry(prompt=words), made_entry(action=AuditAction.REFUSAL, outcome=words or "x")]
    return [audit_layout([entry], AuditId(page=0), str, more=False) for entry in entries]


def settings(words: str) -> list[Shown]:
    context = SettingsContext(
        server=words,
        deployments={"flux": words},
        gpus=(words,) if words else (),
        automod_unread=(NotApplied("automod_spam", words),),
        default_presets={2: words},
        gpu_unknown=(words,),
        gpu_not_offered=(words,),
    )
    rules = ServerRules.model_validate(
        {"deployment_roles": {"flux": [5]}, "words": {"blocked": [words[:60] or "x"]}}
    )
    return [panel_layout(Panel(each), rules, context) for each in (None, *SECTIONS.values())]


SHOWING: Mapping[str, Callable[[str], list[Shown]]] = {
    "statuses": statuses,
    "ends": ends,
    "batches": batches,
    "results": results,
    "details": described,
    "cards": cards,
    "lists": lists,
    "audit": audit,
    "settings": settings,
}
