"""Pages and forms with as much as they may ever hold, for Discord's limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.deployments.choices import input_of
from bot.deployments.command_plan import plan_commands
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.messages.records import MessageRef
from bot.domain.moderation import OUTCOMES, AuditAction
from bot.domain.pages import PAGE_SIZE, RunFilter, RunListEntry
from bot.domain.requests import ChannelDefault, Holder
from bot.domain.runs import RunState
from bot.domain.settings.fields import SECTIONS, form_of, keys_of
from bot.domain.settings.kinds import Names, NotApplied, ReviewChannel, SettingsContext
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.ui.audit import AuditId, audit_layout
from bot.ui.custom_ids import HelpPage, RunsId, SettingId
from bot.ui.help import help_layout, rules_text, start_texts
from bot.ui.lists import blocked_layout, presets_layout, queue_layout, runs_layout
from bot.ui.settings import Panel, panel_layout, settings_modal
from tests.unit.deployments.made import but, choice, offering
from tests.unit.factories import made_block, made_entry, made_preset, made_run
from tests.unit.ui.about_runs import Shown, Words
from tests.unit.ui.about_servers import standing
from tests.unit.ui.messages import ASKED

LARGEST = (1 << 63) - 1
LATE = ASKED.replace(year=9999)


def runs(words: Words) -> Mapping[str, Shown]:
    said = words("a lighthouse")
    where: dict[str, Any] = {"requester_id": LARGEST, "guild_id": LARGEST, "channel_id": LARGEST - 1}
    asked = [
        made_run(key=f"{n:020}", prompt=said, status_message_id=LARGEST, **where) for n in range(PAGE_SIZE)
    ]
    entries = [RunListEntry([each], True, None) for each in asked]
    pictures = {each.key: "https://cdn.example/a.png" for each in asked}
    waiting = [replace(each, state=RunState.WAITING, queue_position=10**6) for each in asked]
    queue = queue_layout(
        [[each] for each in waiting],
        3,
        more=True,
        viewer_id=LARGEST,
        title=words,
        ends={each.key: LATE for each in waiting},
    )
    pages = {
        f"{wanted} {here}": runs_layout(
            entries, RunsId(9999, wanted), words, more=True, here=here, pictures=pictures
        )
        for wanted in RunFilter
        for here in (LARGEST, 7, None)
    }
    return {**pages, "queue": queue}


def people(words: Words) -> Mapping[str, Shown]:
    inputs = {"style": words("ink")}
    preset = made_preset(words("noir")[:32], holder=Holder.SERVER, inputs=inputs, gpu="A10G", created_by=None)
    default = ChannelDefault(channel_id=LARGEST, preset=preset, set_at=ASKED, set_by=LARGEST)
    others = [replace(preset, gpu="L4")] * (PAGE_SIZE - 1)
    said = words("spam")
    block = made_block(said, ASKED, user_id=LARGEST, created_at=LATE, created_by=LARGEST)

    def shown(preset: Any) -> ShownInputs:
        return displayed_inputs(None, preset.inputs)

    blocks = [replace(block, user_id=LARGEST - n) for n in range(PAGE_SIZE)]
    return {
        "presets": presets_layout(
            [preset, *others], 1, more=True, title=words, inputs=shown, default=default
        ),
        "blocked": blocked_layout(blocks, 9999, more=True),
    }


def audit(words: Words) -> Mapping[str, Shown]:
    said = words("*" * 999)
    worst = {
        "action": AuditAction.OUTCOME,
        "actor_id": LARGEST,
        "subject_id": LARGEST,
        "deployment": said,
        "outcome": "_" * 40,
        "details": {"runs": 10, "GPU": said, "reason": said, said[:99]: said},
        "prompt": said,
        "message": MessageRef(LARGEST, LARGEST),
        "may_open": True,
    }
    filters = {"deployment": "*" * 32, "outcome": OUTCOMES[-1], "action": AuditAction.DISMISS}
    current = AuditId(page=9999, subject=LARGEST, actor=LARGEST, since=3650, until=3649, **filters)
    page = [made_entry(number, **worst, run_key=f"{number:020}") for number in range(PAGE_SIZE)]
    return {"audit": audit_layout(page, current, words, more=True)}


def help_pages(words: Words) -> Mapping[str, Shown]:
    """Return the pages about one, a few and very many deployments."""

    def deployment(number: int, inputs: int, group: str | None) -> Deployment:
        said = words("a description")[:1400]
        choices = tuple(choice(f"{said[:60]}{n}", str(n)) for n in range(30))
        plain = input_of(key="", option="", kind=InputKind.TEXT, description=said, choices=choices)
        taken = (but(plain, key=f"k{index}", option=f"option_{index}") for index in range(inputs))
        named = {"name": f"name-{number:03}", "title": f"{said[:60]} {number}"}
        return offering(*taken, **named, description=said, group=group)

    def pages(many: int) -> Sequence[Shown]:
        # Discord's 8,000 characters for a command bound both together.
        inputs, grouped = 3 if many <= 10 else 0, many > 25
        found = [deployment(n, inputs, f"group-{n // 20}" if grouped else None) for n in range(many)]
        names, gpus = [each.name for each in found], [f"GPU-{number}" for number in range(40)]
        budget = {"runs_a_day": 10**6, "gpu_seconds_a_day": 10**6, "at_once": 10**6}
        rules = {
            "approval": {"mode": "selected", "deployments": names, "gpus": gpus},
            "budgets": {"person": budget, "server": budget},
            "deployment_roles": {name: {5} for name in names},
            "gpu_roles": {gpu: {5} for gpu in gpus},
        }
        said = words("spam")
        shown = standing(
            rules,
            deployments=names,
            age_restricted=names,
            gpus=gpus,
            block=made_block(said, ASKED),
            paused=said,
        )
        start = start_texts(found, plan_commands(found), lambda path: f"<{path}:{2**63}>")
        limits = rules_text(shown, {each.name: each.title for each in found}.__getitem__)
        return [help_layout(HelpPage.START, *start), help_layout(HelpPage.LIMITS, limits)]

    return {str(many): pages(many) for many in (1, 2, 10, 24, 55)}


GONE = 5 * 10**17
ROLES = frozenset(range(10**18, 10**18 + 60))
DEPLOYMENTS = {f"deployment-{n}" + "x" * 50: f"Deployment {n} " + "long " * 20 for n in range(60)}
GPUS = tuple(f"GPU{n} " + "G" * 40 for n in range(25))
FULL = SettingsContext(
    server="S" * 100,
    role_ids=ROLES,
    channel_ids=frozenset({7}),
    deployments=DEPLOYMENTS,
    gpus=GPUS,
    review=ReviewChannel(missing=("View Channel", "Send Messages"), reviewers_see=False, everybody_sees=True),
    automod_unread=tuple(NotApplied("automod_preset", f"rule {n} " + "r" * 90) for n in range(6)),
    gallery_lacks=("View Channel", "Send Messages"),
    default_presets={(1 << 62) + number: "*" * 32 for number in range(500)},
    gpu_unknown=tuple(DEPLOYMENTS.values()),
    gpu_not_offered=tuple(DEPLOYMENTS.values()),
    unreadable=tuple(f"budgets.roles.{n}" for n in range(50)),
)
RULES = ServerRules.model_validate(
    {
        "reviewer_role_id": GONE,
        "approval": {
            "mode": "selected",
            "review_channel_id": 7,
            "exempt_roles": ROLES,
            "deployments": [*DEPLOYMENTS, "gone"],
            "gpus": [*GPUS, "gone"],
        },
        "budgets": {
            "roles": {role: {"at_once": 10**6, "runs_a_day": 10**6, "unlimited": role % 2} for role in ROLES},
            "gpu_weights": dict.fromkeys(GPUS, 1.5),
        },
        "words": {"blocked": [f"{n:03d}" + "w" * 57 for n in range(500)]},
        "people": {"account_days": 3650, "member_days": 3650},
        "gpu_roles": {gpu: ROLES | {GONE} for gpu in GPUS},
        "deployment_roles": dict.fromkeys(DEPLOYMENTS, ROLES | {GONE}),
        "gallery_channel_id": 7,
    }
)
KEYS = {None: None, Names.ROLE: min(ROLES), Names.GPU: GPUS[3], Names.DEPLOYMENT: next(iter(DEPLOYMENTS))}


def settings(_: Words) -> Mapping[str, Shown]:
    """Return every panel with what is set, saved or refused, and every part of every form."""
    saved = [(f"{n} " + "s" * 50, "old " * 500, "new " * 500) for n in range(60)]
    shown: dict[str, Shown] = {}
    for name, section in {"": None, **SECTIONS}.items():
        key = KEYS[keys_of(section)] if section is not None else None
        again = SettingId(name or "home", "again", "0" * 8, 9, "x" * 50)
        panels = {
            "plain": Panel(section, turn=2**30),
            "saved": Panel(section, saved=saved, turn=2**30),
            "mistakes": Panel(section, mistakes=["e" * 200] * 9, again=again, turn=2**30),
        }
        shown |= {f"{name} {kind}": panel_layout(panel, RULES, FULL) for kind, panel in panels.items()}
        if section is not None:
            fields = form_of(section, key, RULES, FULL)
            shown[f"form {name}"] = settings_modal(section, key, "R" * 100, fields)
    return shown


CROWDED: Mapping[str, Callable[[Words], Mapping[str, Shown]]] = {
    "crowded lists of runs": runs,
    "crowded lists of people": people,
    "crowded audit": audit,
    "crowded help": help_pages,
    "crowded settings": settings,
}
