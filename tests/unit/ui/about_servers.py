"""Every message about a server, a person or a deployment, with the caller's text for users' words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.deployments.choices import input_of
from bot.deployments.draft import Draft
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.deployments.merge import Stored
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.budgets import Spending, Usage, UsageView
from bot.domain.errors import InputError, InputErrors
from bot.domain.forms import Option
from bot.domain.messages.records import MessageRef
from bot.domain.moderation import AuditAction, Report, StoredEntry
from bot.domain.policy import Standing
from bot.domain.requests import ChannelDefault, Holder, Member, Preset
from bot.domain.runs import REQUESTER_BLOCKED, Run, RunState
from bot.domain.settings.fields import SECTIONS, describe_changes, form_of, keys_of
from bot.domain.settings.kinds import Names, NotApplied, ReviewChannel, SettingsContext
from bot.domain.settings.rules_and_defaults import Budget, ServerRules
from bot.strings import explain, say
from bot.ui.audit import AuditId, audit_layout
from bot.ui.custom_ids import DraftId, HelpPage, SettingId
from bot.ui.forms import form_modal, pictures_layout, refused_layout, share_modal
from bot.ui.help import (
    commands_text,
    examples_text,
    greeting_layout,
    help_layout,
    rules_text,
    start_texts,
    usage_layout,
)
from bot.ui.lists import blocked_layout, presets_layout, replace_layout
from bot.ui.message_parts import PreparedOutputs, layout_of
from bot.ui.moderation import (
    block_modal,
    closed_pictures_card,
    closed_report_card,
    decided_card,
    pictures_card,
    reject_modal,
    report_card,
    report_modal,
    review_card,
    turned_away_letter,
)
from bot.ui.settings import Panel, panel_layout, settings_modal
from tests.unit.deployments.made import but, choice, offering
from tests.unit.factories import made_block, made_entry, made_preset, made_run
from tests.unit.ui.about_runs import FLUX, HELD, LINK, PLAN, SONG, TITLE, Shown, Words, title
from tests.unit.ui.messages import ASKED, KEY, MP4, PNG, WAV, files

A = AuditAction
S = RunState
UNTIL = int(ASKED.timestamp()) + 3600
BOTH = (FLUX, SONG)


def cards(words: Words) -> Mapping[str, Shown]:
    """Return the moderators' cards, and the letters about their decisions."""
    inputs = ShownInputs((("prompt", words("a fox")), (words("style"), words("ink"))), ())
    reason = {"reason": words("no <@&5> *here*")}

    def run(state: RunState = S.AWAITING_APPROVAL, **more: Any) -> Run:
        asked = {
            "requester_id": 175928847299117063,
            "channel_id": 22,
            "gpu": words("H100"),
            "prompt": words("a fox"),
            "reserved_seconds": 240,
            "review_channel_id": 99,
            "requester_joined_at": ASKED,
        }
        return made_run(state, **{**asked, **more})

    def decided(state: RunState, **more: Any) -> Shown:
        return [decided_card(run(state, **more), TITLE, inputs)]

    def report(people: Sequence[int], link: str | None, prepared: PreparedOutputs, note: str = "") -> Shown:
        reports = [Report(person, "Against this server's rules", note) for person in people]
        return [report_card(run(S.SUCCEEDED), TITLE, reports, link, prepared)]

    def closed(person: int | None, decision: str) -> Shown:
        return [closed_pictures_card(run(S.SUCCEEDED), TITLE, (person, ASKED, {"decision": decision}))]

    approved = {"decided_by": 5, "decided_at": ASKED}
    rejected = {"failure_params": reason, **approved}
    silent = rejected | {"failure_params": {"reason": ""}}
    blocked, until = (
        {"failure_code": REQUESTER_BLOCKED, "failure_params": {**reason, **end}, **approved}
        for end in ({"until": 0, "others": 1}, {"until": UNTIL, "others": 2})
    )
    attached = replace(files(PNG, WAV, MP4), remarks=("big.png is too large",))
    twelve = files(*[PNG] * 12)
    held = [run(S.SUCCEEDED, index=index, count=2, **HELD) for index in range(2)]
    rude = replace(files(PNG), texts=(words("a rude | word"),))
    long = ShownInputs(tuple((f"input{n}", words("x" * 150)) for n in range(20)), ())
    return {
        "review": [review_card(run(), TITLE, inputs, PreparedOutputs())],
        "review of several with files": [review_card(run(count=4), TITLE, inputs, attached)],
        "review of many inputs and files": [review_card(run(), TITLE, long, twelve)],
        "approved": decided(S.WAITING, **approved),
        "approved, several": decided(S.WAITING, **approved, count=4),
        "approved, cancelled": decided(S.CANCELLED, **approved),
        "rejected": decided(S.REJECTED, **rejected),
        "blocked": decided(S.REJECTED, **blocked),
        "blocked until": decided(S.REJECTED, **until),
        "expired": decided(S.EXPIRED),
        "cancelled": decided(S.CANCELLED),
        "refused": decided(S.REFUSED, failure_code="comfy_invalid", failure_params={"fields": words("cfg")}),
        "letter": [turned_away_letter(run(S.REJECTED, **rejected), TITLE)],
        "letter without a reason": [turned_away_letter(run(S.REJECTED, **silent), TITLE)],
        "letter about a block": [turned_away_letter(run(S.REJECTED, **blocked), TITLE)],
        "letter about a block until": [turned_away_letter(run(S.REJECTED, **until), TITLE)],
        "pictures": pictures_card(held[:1], TITLE, files(PNG), withheld=False),
        "pictures of several": pictures_card(held, TITLE, rude, withheld=True),
        "pictures posted": closed(5, "posted as a spoiler"),
        "pictures expired": closed(None, "deleted, because nobody decided in time"),
        "report": report([8], LINK, PreparedOutputs(), words("that is *my* face <@&5>")),
        "report of files": report([8], None, replace(files(PNG, WAV, MP4), texts=(words("a | fox"),))),
        "report by many": report(range(1, 8), LINK, PreparedOutputs()),
        "report closed": [
            closed_report_card(run(S.SUCCEEDED), TITLE, say("report_dismissed", person=5, at=UNTIL))
        ],
    }


def audit_entries(words: Words) -> list[StoredEntry]:
    """Return an entry of each kind of sentence and detail."""
    between: dict[str, Any] = {"actor_id": 11, "subject_id": 22, "deployment": "flux", "run_key": KEY}
    prompt = words("a *red* fox " + "far away " * 20)
    asking = {**between, "prompt": prompt, "message": MessageRef(2, 3)}
    own = {**between, "actor_id": 22}
    refused: dict[str, Any] = {"action": A.REFUSAL, "subject_id": 22, "deployment": "flux"}
    rule = {"rule": words("Slurs"), "word": words("bad*"), "option": "prompt"}
    changes = [["Review channel", "none", "<#81>"], ["H100 · Who may use it", "everybody", "<@&71>"]]
    reason = {"reason": words('say "no"\nthen go')}
    done: dict[str, Any] = {"outcome": "failed", "details": {"GPU": words("A100"), **reason}}
    none: dict[str, Any] = {"outcome": "failed", "details": {"runs": 3, "results": "0 of 3"}}
    codes = ("budget_runs", "server_budget_gpu_count", "gpu_role_none", words("a_rule_of_another_version"))
    return [
        made_entry(7, **asking | {"actor_id": (1 << 63) - 1}, details={"GPU": words("L4")}),
        made_entry(action=A.OUTCOME, **asking, outcome="succeeded", may_open=True),
        made_entry(action=A.OUTCOME, **asking, **done),
        made_entry(action=A.OUTCOME, **between, outcome=REQUESTER_BLOCKED),
        made_entry(action=A.OUTCOME, **between, **none),
        made_entry(action=A.APPROVE, **between, details={"runs": 4}),
        made_entry(action=A.REJECT, **between, details=reason),
        made_entry(action=A.BLOCK, **between, details={**reason, "ended requests": 2}),
        made_entry(action=A.DELETE_COPY, **between, details={"channel": "<#81>"}),
        made_entry(action=A.DELETE, **own, details={"runs": 4}),
        *(made_entry(action=each, **own) for each in (A.DELETE_COPY, A.CANCEL, A.REPORT, A.SHARE)),
        made_entry(**refused, outcome="words_refused", details=rule, prompt=prompt),
        *(made_entry(**refused, outcome=code) for code in codes),
        made_entry(action=A.SETTINGS, actor_id=11, details={"changes": changes}),
        made_entry(action=A.SETTINGS, actor_id=11, details={"changes": [["List", "", "word, " * 99]]}),
    ]


def audit(words: Words) -> Mapping[str, Shown]:
    def page(entries: Sequence[StoredEntry], *, older: bool = False, **filters: Any) -> Shown:
        return audit_layout(entries, AuditId(page=0, **filters), lambda _: TITLE, more=older)

    filters: dict[str, Any] = {
        "subject": 22,
        "actor": 11,
        "deployment": "flux",
        "outcome": "failed",
        "since": 7,
        "until": 3,
    }
    entries = audit_entries(words)
    return {
        "newest": page(entries[:8], older=True),
        "further": page(entries[8:16]),
        "last": page(entries[16:]),
        "nothing": page([], **filters, action=A.DISMISS),
    }


def people(words: Words) -> Mapping[str, Shown]:
    """Return presets, blocks, usage and forms."""
    asked = {"inputs": {"s": words("ink"), "p": words("{prompt}, in ink")}, "gpu": words("L4")}
    noir = made_preset(words("noir")[:32], **asked)
    house = made_preset(words("house style")[:32], holder=Holder.SERVER, **asked)
    default = ChannelDefault(channel_id=2, preset=house, set_at=ASKED, set_by=7)
    block = made_block(words("spam *again*"), created_at=ASKED)
    other = replace(block, user_id=7, reason=None, until=ASKED + timedelta(days=7))
    usage = Usage(now=ASKED, day_end=ASKED, block=made_block(words("spam"), other.until))

    def inputs(preset: Preset) -> ShownInputs:
        return displayed_inputs(FLUX, preset.inputs)

    def presets(found: list[Preset], default: ChannelDefault | None) -> Shown:
        return presets_layout(found, 0, more=bool(found), title=title, inputs=inputs, default=default)

    return {
        "presets": presets([noir, house], default),
        "no presets": presets([], None),
        "preset taken": replace_layout(noir, title, inputs(noir), "0123abcd"),
        "preset of the server taken": replace_layout(house, title, inputs(house), "0123abcd"),
        "blocked": blocked_layout([block, other], 1, more=True),
        "nobody blocked": blocked_layout([], 0, more=False),
        "usage": usage_layout(UsageView(42, True, usage, (1, 1), Budget(at_once=2, waiting=None), None)),
        "share": share_modal(KEY),
        "reject": reject_modal(KEY),
        "report": report_modal(KEY),
        "block": block_modal(KEY),
    }


def forms(words: Words) -> Mapping[str, Shown]:
    """Return the forms of requests."""
    prompt, style, *_ = FLUX.inputs.values()
    hires = input_of(key="h", option="hires", kind=InputKind.BOOLEAN, default=False)
    styles = tuple(choice(name, name) for name in ("photo", "oil"))
    choices = offering(prompt, but(style, choices=styles, default="photo"), hires, gpus=FLUX.gpus)
    long = offering(but(prompt, max_length=6000), gpus=FLUX.gpus)
    made: dict[str, Any] = {
        "p": words("a lighthouse"),
        "s": "ink",
        "w": 768,
        "n": 7,
        "i": "https://cdn.example/a.png",
    }

    def form(deployment: Deployment, stored: Stored) -> Shown:
        fields = Draft(deployment=deployment, stored=[stored]).fields({})
        return form_modal(f"draft:{KEY}::::", TITLE, fields)

    wrong, draft = "`width` is 9, but must be at least 256.", DraftId(KEY, draft="0a")
    options = [Option(each.name, each.title, each.description) for each in BOTH]
    return {
        "edit": form(FLUX, Stored(made, "L4")),
        "edit a value that is gone": form(choices, Stored({"p": "a lighthouse", "s": "ink"}, "L4")),
        "edit choices": form(choices, Stored({"p": "a lighthouse", "s": "oil", "h": True})),
        "edit a long text": form(long, Stored({"p": "fox " * 1200})),
        "refused": refused_layout(wrong, draft),
        "refused count": refused_layout("You have 2 left today, and asked for 4.", draft, 2),
        "use as input": pictures_layout(["https://cdn.example/a.png"], [KEY], options),
        "use one as input": pictures_layout(
            ["https://cdn.example/a.png", "https://cdn.example/b.png"], ["a", "b"], [Option("0" * 40, "Up")]
        ),
    }


def standing(rules: Mapping[str, Any], **more: Any) -> Standing:
    """Return what rules mean for a member who has used a little today."""
    spent = Spending(runs=3, gpu_seconds=100.4, waiting=1)
    usage = Usage(now=ASKED, day_end=ASKED + timedelta(hours=11.5), person=spent, server=spent)
    shown: dict[str, Any] = {
        "person": Member(id=42, created_at=ASKED),
        "usage": usage,
        "rules": ServerRules.model_validate(rules),
        "deployments": ("flux", "song"),
        "age_restricted": ("song",),
        "gpus": ("L4", "H100"),
        "in_server": True,
    }
    changes = {name: more.pop(name) for name in ("block", "paused") if name in more}
    return Standing(**{**shown, **more, "usage": replace(usage, **changes)})


def help_pages(words: Words) -> Mapping[str, Shown]:
    def mention(path: str) -> str:
        return f"<{path}:99>"

    def limits(rules: Mapping[str, Any], **more: Any) -> Shown:
        return help_layout(HelpPage.LIMITS, rules_text(standing(rules, **more), title))

    limited = {
        "approval": {"mode": "selected", "deployments": ["flux"], "gpus": ["L4"]},
        "budgets": {
            "person": {"runs_a_day": 10, "gpu_seconds_a_day": 600},
            "server": {"runs_a_day": 2, "gpu_seconds_a_day": 900},
        },
        "gpu_roles": {"H100": [5]},
    }
    closed = {"approval": {"mode": "without_roles", "exempt_roles": [5]}, "deployment_roles": {"song": [5]}}
    house = made_preset(words("house *style*")[:32], holder=Holder.SERVER)
    free: dict[str, Any] = {"age_restricted_channel": True, "defaults": [house]}
    return {
        "greeting": greeting_layout(mention, BOTH, PLAN),
        "start": help_layout(HelpPage.START, *start_texts(BOTH, PLAN, mention)),
        "commands": help_layout(HelpPage.COMMANDS, commands_text(mention, in_server=True)),
        "examples": layout_of(examples_text(BOTH)),
        "limits": limits(limited),
        "no limits": limits({"private_results": True}, **free),
        "closed": limits(closed, block=made_block(words("spam"), None), paused="maintenance"),
    }


ROLE, CHANNEL, GONE = 5, 9, 6
# Every rule has an effect.
WHOLE: dict[str, Any] = {
    "reviewer_role_id": ROLE,
    "approval": {
        "mode": "without_roles",
        "review_channel_id": CHANNEL,
        "exempt_roles": [ROLE],
        "deployments": ["flux"],
        "gpus": ["L4"],
        "hours": 5,
    },
    "words": {"blocked": ["badger", "fox*"]},
    "gpu_roles": {"L4": [ROLE]},
    "deployment_roles": {"flux": [ROLE]},
    "budgets": {"roles": {ROLE: {"at_once": 1, "unlimited": True}}, "gpu_weights": {"L4": 2}},
    "people": {"account_days": 30, "member_days": 1},
    "gallery_channel_id": CHANNEL,
    "private_results": True,
    "pictures": {"flagged": "hold", "exempt_roles": [ROLE], "exempt_deployments": ["flux"]},
}
# No rule has its whole effect, because roles, channels, deployments or GPUs are gone.
MISSING: dict[str, Any] = {
    "reviewer_role_id": GONE,
    "approval": {"mode": "selected", "review_channel_id": GONE, "deployments": ["old"], "gpus": ["H100"]},
    "gpu_roles": {"L4": [GONE], "T4": [GONE, ROLE], "A100": [], "H100": [ROLE]},
    "deployment_roles": {"old": [GONE]},
    "budgets": {"roles": {GONE: {"at_once": 1}}, "gpu_weights": {"H100": 2}},
    "people": {"account_days": 30},
    "gallery_channel_id": GONE,
}
KEYS = {None: None, Names.ROLE: ROLE, Names.GPU: "L4", Names.DEPLOYMENT: "flux"}


def settings(words: Words) -> Mapping[str, Shown]:
    around = SettingsContext(
        server=words("Studio"),
        role_ids=frozenset({ROLE}),
        channel_ids=frozenset({CHANNEL}),
        deployments={"flux": words("Flux"), "song": "Song"},
        gpus=("L4", "T4", "A100"),
        review=ReviewChannel(),
    )
    unread = ("automod_spam", "automod_unknown", "keyword_empty", "regex_unsupported", "regex_too_large")
    troubled = replace(
        around,
        review=ReviewChannel(missing=("View Channel",), everybody_sees=True),
        gpu_unknown=(words("Flux"),),
        gpu_not_offered=(words("Song"), "Text"),
        gallery_lacks=("Attach Files",),
        default_presets=dict.fromkeys(range(11, 21), words("*noir*")[:32]),
        unreadable=("spoiler",),
        automod_unread=tuple(
            NotApplied(code, words("*My* rule")) for code in (*unread, "regex_ascii_classes")
        ),
    )
    bare = SettingsContext(channel_ids=frozenset({CHANNEL}), manages_server=False)

    def panel(rules: Mapping[str, Any], section: str = "", context: SettingsContext = around) -> Shown:
        shown = Panel(SECTIONS.get(section))
        return panel_layout(shown, ServerRules.model_validate(rules), context)

    after = ServerRules(retention_days=7)
    stale = InputErrors([InputError("settings_changed_meanwhile", label="Spoilers", now="always")])
    edited = Panel(
        SECTIONS["results"],
        saved=describe_changes(ServerRules(), after, around),
        mistakes=[explain(stale)],
        again=SettingId("results", "again", "0123abcd"),
    )
    own = WHOLE | {"words": {"blocked": [words("badger")[:60]], "automod": True}}
    everybody = {"approval": {**WHOLE["approval"], "mode": "everybody"}}
    selected = {"approval": {**WHOLE["approval"], "mode": "selected"}}
    return {
        "defaults": panel({}),
        "everything set": panel(WHOLE),
        "everything gone": panel(MISSING),
        "troubled": panel({**WHOLE, **selected}, "", troubled),
        "bare": panel(own, "", bare),
        "everybody waits, AutoMod away": panel(everybody, "", replace(around, automod_away=True)),
        "edited": panel_layout(edited, after, around),
        **{each: panel(WHOLE, each, around) for each in ("roles", "gpus", "deployments")},
        **{f"{each}, gone": panel(MISSING, each, around) for each in ("roles", "gpus", "deployments")},
    }


def setting_forms(_: Words) -> Mapping[str, Shown]:
    """Return the form of each section, which shows nobody else's words but in its fields."""
    around = SettingsContext(deployments={"flux": "Flux"}, gpus=("L4", "T4"), review=ReviewChannel())
    rules = ServerRules.model_validate(WHOLE)

    shown: dict[str, Shown] = {}
    for name, section in SECTIONS.items():
        key = KEYS[keys_of(section)]
        if fields := form_of(section, key, rules, around):
            shown[name] = settings_modal(section, key, str(key or ""), fields)
    return shown


ABOUT_SERVERS: Mapping[str, Callable[[Words], Mapping[str, Shown]]] = {
    "cards": cards,
    "audit": audit,
    "people": people,
    "forms": forms,
    "help": help_pages,
    "settings": settings,
    "setting_forms": setting_forms,
}
