"""Draws the arguments of every function in `bot/ui` that builds a message, from the types of its parameters.

A text of the caller's stands wherever users or the operator may have written something.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import abc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from datetime import date, datetime
from enum import Enum
from functools import cache
from itertools import count
from random import Random
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from discord.ui import LayoutView, Modal

import bot.ui
from bot.deployments.choices import input_of
from bot.deployments.command_plan import plan_commands
from bot.deployments.draft import Draft
from bot.deployments.files import linked_file
from bot.deployments.inputs import AttachedFile
from bot.deployments.merge import Stored
from bot.deployments.model import Deployment, FollowUp
from bot.domain.backend import InputKind
from bot.domain.files import INLINE_TEXT, FileKind, PreparedFile, PreparedOutputs
from bot.domain.forms import Option
from bot.domain.moderation import OUTCOMES, Report
from bot.domain.policy import Usage
from bot.domain.requests import Actor, Preset
from bot.domain.runs import FINAL, Deletions, Run, RunState
from bot.domain.settings.fields import SECTIONS, Key, form_of, keys_of
from bot.domain.settings.rules_and_defaults import Budget, ServerRules
from bot.domain.settings.setting_types import Names, Section, SettingsContext
from bot.domain.text import escape_line
from bot.sentences import say
from bot.ui import custom_ids, forms, help, results, run_facts, settings
from tests.unit.deployments.made import choice, follow_up, offering
from tests.unit.ui.test_custom_ids import RECORDS

S = RunState
Shown = Any  # messages, a view, or a form
LARGEST = (1 << 63) - 1
ASKED = datetime.fromisoformat("2026-05-04T12:30:00+00:00")
LATE = ASKED.replace(year=9999)
UNTIL = 1777901400
LINK = "https://discord.com/channels/1/2/3"
KEYS = [letter * 16 for letter in "abcdefghij"]
ROLES = tuple(range(10**18, 10**18 + 60))
DEPLOYMENTS = tuple(f"deployment-{n}" + "x" * 50 for n in range(60))
GPUS = tuple(f"GPU{n} " + "G" * 40 for n in range(25))
GONE = 5 * 10**17
# The states of a run that may have made a part of its outputs.
ENDED = {S.FAILED, S.CANCELLED, S.TIMED_OUT}
# The states of the runs in a message, by the function that builds it. Others are about what has ended.
STATES: Mapping[str, Collection[RunState]] = {
    **dict.fromkeys(("status_message", "queue_layout"), set(S) - FINAL),
    "runs_layout": set(S),
    "review_card": {S.AWAITING_APPROVAL},
    "decided_card": {S.WAITING, *FINAL},
    "picked_layout": {S.SUCCEEDED, S.FAILED},
    **{f"{name}_messages": {S.SUCCEEDED} for name in ("share", "opened")},
    "withheld_message": {S.SUCCEEDED},
    "pictures_card": {S.SUCCEEDED},
}


def rules_of(many: int) -> ServerRules:
    """Return rules that name this many roles, deployments and GPUs, and some that are gone."""
    roles, deployments, gpus = ROLES[:many], DEPLOYMENTS[:many], GPUS[:many]
    limits = {"runs_a_day": 10**6, "gpu_seconds_a_day": 10**6, "at_once": 10**6}
    return ServerRules.model_validate(
        {
            "reviewer_role_id": GONE,
            "approval": {
                "mode": "selected",
                "review_channel_id": 7,
                "exempt_roles": roles,
                "deployments": [*deployments, "gone"],
                "gpus": [*gpus, "gone"],
            },
            "budgets": {
                "person": limits,
                "server": limits,
                "role_at_once": dict.fromkeys(roles, 10**6),
                "role_gpu_seconds_a_day": dict.fromkeys(roles, 10**6),
                "unlimited_roles": {role: True for role in roles if role % 2},
                "gpu_weights": dict.fromkeys(gpus, 1.5),
            },
            "words": {"blocked": [f"{n:03d}" + "w" * 57 for n in range(8 * many)]},
            "people": {"account_days": 3650, "member_days": 3650},
            "gpu_roles": {gpu: [*roles, GONE] for gpu in gpus},
            "deployment_roles": {name: [*roles, GONE] for name in deployments},
            "gallery_channel_id": 7,
        }
    )


@cache
def fields_of(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in inspect.signature(kind).parameters}


def values_by_name(said: str, many: int) -> Mapping[str, Sequence[Any]]:
    """Return the values of fields and parameters that aren't free text, by their names."""
    escaped = escape_line(said, 300)
    return {
        **dict.fromkeys(("key", "request_key", "parent_key", "run_key"), KEYS),
        **{name: [LINK] for name in ("link", "origin", "url")},
        "missing": [("View Channel", "Send Messages")],
        **{name: [escaped, None] for name in ("preset_note", "paused")},
        "again": [custom_ids.SettingId("home", "again", "0" * 8, 9, "x" * 50), None],
        "choices": [[Option("up", said), Option("0" * 40, said)]],
        "channel_ids": [frozenset({7})],
        "deployment": ["flux"],
        "deployment_id": ["d"],
        "draft": ["0123abcd"],
        "failure_code": [
            *("run_failed", "run_timed_out", "run_cancelled", "deadline", "deadline_unreadable", "rejected"),
            *("cancelled_by_requester", "requester_blocked", "expired", "comfy_timeout", "comfy_invalid"),
        ],
        "failure_params": [{"reason": said, "fields": said, "until": UNTIL, "others": 2}],
        "gallery_lacks": [("View Channel", "Send Messages"), ()],
        "gpus": [GPUS],
        "inputs": [{"p": said, "s": "ink", "w": 768, said: said}],
        "keys": [KEYS[:1], KEYS],
        "may_link": [bool],
        "mistakes": [[escaped] * 9, []],
        "name": [said[:32]],
        "number": [10],
        "page": [0, 9999],
        "outcome": [*OUTCOMES, said],
        "pictures": [["https://cdn.example/a.png"]],
        "possible": [0, 9],
        "progress": [0.0, 0.42, 1.0],
        "remarks": [(say("media_too_large", name=escape_line(said, 80), url=LINK),) * many, ()],
        "role_ids": [frozenset(ROLES)],
        "saved": [[(escaped[:40], escaped, escaped)] * many, [], None],
        "sentence": [escaped * 20],
        "status_note": ["not_cancellable", None],
        "texts": [(said[: INLINE_TEXT // 150],) * 150, (said[:INLINE_TEXT],), ()],
        "turn": [1 << 30],
        "unreadable": [("budgets.role_at_once.1",) * many, ()],
        "about": ["Reported", "Decided"],
        "decision": [say("report_dismissed", person=5, at=UNTIL)],
        "verdicts": [{"1": ["held", "explicit"]}, {"1": ["hidden", "nudity"]}, {}],
        "waiting_code": ["paused", "budget_runs", None],
        "waiting_params": [{"reason": escaped, "limit": 3, "until": UNTIL}],
    }


class Drawer:
    """Draws values. If it is `full`, they are as long as they may be, and nothing is left out."""

    def __init__(self, seed: int, said: str, *, full: bool = False) -> None:
        self.said, self.full = said, full
        self.random, self.numbers, self.batches = Random(seed), count(1), count()
        self.states = sorted(S)
        self.many = 60 if full else 2
        self.by_name = values_by_name(said, self.many)
        self.rules = rules_of(self.many)
        self.details = [
            {
                "decision": "deleted",
                "reason": said,
                "rule": said,
                "word": said,
                "option": "prompt",
                "runs": 10,
            },
            {
                "decision": "posted as a spoiler",
                "changes": [["Who", *[escape_line(said, 300)] * 2]] * self.many,
            },
        ]
        self.by_type: Mapping[Any, Callable[[], Any]] = {
            str: lambda: said,
            int: lambda: LARGEST - next(self.numbers),
            float: lambda: self.random.choice([0.4, 8.2, 10.0**6]),
            bool: lambda: self.random.random() < 0.5,
            datetime: lambda: self.random.choice([ASKED, LATE]),
            date: ASKED.date,
            NoneType: lambda: None,
            AttachedFile: lambda: linked_file("https://cdn.example/b.png"),
            Budget: lambda: self.rules.budgets.person,
            Deletions: lambda: Deletions(outcome=True, by_moderator=True),
            Deployment: lambda: self.deployments()[0],
            FollowUp: self.follow_up,
            PreparedFile: self.file,
            Report: lambda: Report(LARGEST, "Against this server's rules", said),
            Run: lambda: self.batch(1)[0],
            Section: lambda: self.random.choice([*SECTIONS.values()]),
            ServerRules: lambda: self.random.choice([self.rules, ServerRules()]),
            Mapping[int, str]: lambda: dict.fromkeys(ROLES, said[:32]),
            SettingsContext: self.context,
            results.Batch: self.outcome,
            Mapping[str, object]: lambda: self.random.choice(self.details),
            Mapping[str, str]: lambda: dict.fromkeys(KEYS, "https://cdn.example/a.png"),
            Mapping[str, datetime]: lambda: dict.fromkeys(KEYS, LATE),
            Sequence[Deployment]: self.deployments,
            Sequence[Run]: lambda: self.batch(10 if self.full else self.random.randint(1, 4)),
        }

    def call(self, build: Callable[..., Any]) -> Any:
        """Call a function with arguments drawn from the types of its parameters."""
        self.states = sorted(STATES.get(build.__name__, FINAL))
        hints = get_type_hints(build)
        return build(**{name: self.of(hints[name], name) for name in inspect.signature(build).parameters})

    def of(self, hint: Any, name: str = "") -> Any:
        """Return a value of a type, for the field or parameter of this name."""
        origin, inner = get_origin(hint), get_args(hint)
        if origin is abc.Callable and name != "may_link":
            returned = self.of(inner[-1])
            return lambda *_: returned
        if name in self.by_name and not (is_dataclass(hint) or (origin and hint in self.by_type)):
            return self.random.choice(self.by_name[name])
        if hint in self.by_type:
            return self.by_type[hint]()
        if origin in (Union, UnionType):
            return self.of(
                self.random.choice([each for each in inner if each is not NoneType or not self.full]), name
            )
        if origin in (abc.Sequence, abc.Collection, tuple, frozenset, list):
            return self._several(origin, inner)
        return self._record(hint)

    def _several(self, origin: Any, inner: Sequence[Any]) -> Any:
        if origin is tuple and inner[-1] is not Ellipsis:
            return tuple(map(self.of, inner))
        most = 10 if self.full else self.random.randint(0, 3)
        return (frozenset if origin is frozenset else tuple)(self.of(inner[0]) for _ in range(most))

    def _record(self, kind: Any) -> Any:
        if kind is str:
            return self.said
        if issubclass(kind, Enum):
            return self.random.choice([*kind])
        if issubclass(kind, custom_ids.CustomId):
            found: Any = self.random.choice([each for each in RECORDS if type(each) is kind])
            return replace(found, page=9999) if hasattr(found, "page") else found
        return kind(**{name: self.of(hint, name) for name, hint in fields_of(kind).items()})

    def batch(self, size: int) -> list[Run]:
        first, runs = next(self.batches), []
        for index in range(size):
            run, state = self._record(Run), self.random.choice(self.states)
            own = {
                "key": KEYS[(first + index) % 10],
                "state": state,
                "partial": run.partial and state in ENDED,
            }
            runs.append(replace(run, request_key=KEYS[first % 10], count=size, index=index, **own))
        return runs

    def outcome(self) -> results.Batch:
        runs = self.of(Sequence[Run])
        shown = {run.key: self.of(PreparedOutputs) for run in runs if run.is_shown}
        return results.Batch(runs, shown, origin=LINK)

    def file(self) -> PreparedFile:
        kind, size = self.random.choice([*FileKind]), self.random.choice([0, 9 << 20, 30 << 20])
        name = f"flux-{self.random.choice(KEYS)}-{next(self.numbers)}.png"
        return PreparedFile(name, kind, self.said[:1000], size)

    def follow_up(self) -> FollowUp:
        label = f"{self.said[:30]}{next(self.numbers)}"
        target = "98244b49-9b56-46b8-83c8-334f27412095"
        return follow_up(label, target, takes={InputKind.IMAGE: "image"})

    def deployments(self) -> list[Deployment]:
        """Return one, a few or very many, as far as Discord's 8,000 characters for a command allow."""
        many = self.random.choice([1, 2, 10, 24, 55])
        choices = tuple(choice(f"{self.said[:60]}{n}", str(n)) for n in range(30))
        plain: dict[str, Any] = {"kind": InputKind.TEXT, "description": self.said, "choices": choices}
        inputs = [input_of(key=f"k{n}", option=f"option_{n}", **plain) for n in range(3 if many <= 10 else 0)]
        return [
            offering(
                *inputs,
                name=f"name-{number:03}",
                title=f"{self.said[:60]} {number}",
                description=self.said[:1400],
                group=f"group-{number // 20}" if many > 25 else None,
            )
            for number in range(many)
        ]

    def context(self) -> SettingsContext:
        titles = {name: f"{self.said} {name}" for name in DEPLOYMENTS}
        return replace(self._record(SettingsContext), deployments=titles)


def mention(path: str) -> str:
    return f"<{path}:{LARGEST}>"


def start_page(page: custom_ids.HelpPage, deployments: Sequence[Deployment]) -> LayoutView:
    return help.help_layout(page, *help.start_texts(deployments, plan_commands(deployments), mention))


def limits_page(
    page: custom_ids.HelpPage,
    actor: Actor,
    deployments: Sequence[Deployment],
    usage: Usage,
    rules: ServerRules,
    defaults: Sequence[Preset],
) -> LayoutView:
    return help.help_layout(page, "\n".join(help.rules_of(actor, deployments, usage, rules, defaults)))


def greeting(deployments: Sequence[Deployment]) -> LayoutView:
    return help.greeting_layout(mention, deployments, plan_commands(deployments))


def detailed(run: Run, title: str, offered: Deployment | None, *, explained: bool) -> LayoutView:
    return run_facts.details(run, title, offered, explained=explained)[0]


def draft_form(title: str, said: str) -> Modal:
    prompt = input_of(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True, max_length=4000)
    style = input_of(key="s", option="style", kind=InputKind.TEXT, choices=(choice(said[:90], "ink"),))
    draft = Draft(deployment=offering(prompt, style), stored=[Stored({"p": said, "s": "ink"}, said)])
    return forms.form_modal("draft:abc::::", title, draft.fields({}))


def run_forms(key: str) -> list[Modal]:
    return [forms.run_modal(key, action) for action in forms.RUN_FORMS]


def settings_form(section: Section, rules: ServerRules, context: SettingsContext, title: str) -> Modal:
    keys: Mapping[Names | None, Key] = {
        None: None,
        Names.ROLE: min(ROLES),
        Names.GPU: GPUS[0],
        Names.DEPLOYMENT: DEPLOYMENTS[0],
    }
    key = keys[keys_of(section)]
    return settings.settings_modal(section, key, title, form_of(section, key, rules, context, whole=True))


# Their arguments are finished texts, or have to match each other.
COMPOSED = (start_page, limits_page, greeting, detailed, draft_form, run_forms, settings_form)
_INSIDE = {
    *("framed", "layout_of", "remark_messages", "help_layout", "greeting_layout", "details"),
    *("form_modal", "run_modal", "settings_modal", "origin_message"),
}


def _builders() -> Iterator[tuple[str, Callable[..., Shown]]]:
    yield from ((each.__name__, each) for each in COMPOSED)
    for module in pkgutil.iter_modules(bot.ui.__path__, "bot.ui."):
        for name, found in vars(importlib.import_module(module.name)).items():
            if inspect.isfunction(found) and found.__module__ == module.name and name[0] != "_":
                told = str(inspect.signature(found).return_annotation)
                if name not in _INSIDE and any(
                    each in told for each in ("OutgoingMessage", "LayoutView", "Modal")
                ):
                    yield name, found


BUILDERS = dict(_builders())


def parts_of(shown: Shown) -> Sequence[Any]:
    return shown if isinstance(shown, list | tuple) else [shown]
