"""Which rule refuses a request or a stored run, for how long, and on which terms a request is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.policy import (
    LIMITS,
    Facts,
    OperatorRules,
    Spending,
    check_channel,
    check_moderator,
    check_posting,
    decide,
    judge,
)
from bot.domain.requests import ChannelState, Origin
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.sentences import SENTENCES, explain
from tests.unit.domain.policy_cases import (
    ARTISTS,
    CLOSED,
    DAY_END,
    NOW,
    PERSON,
    REVIEWERS,
    STAFF,
    USAGE,
    actor,
    code_of,
    having,
    place,
    refused,
)
from tests.unit.factories import made_block, made_run


class Told(NamedTuple):
    """The code of a refusal, how long it lasts, and some of what its sentence says."""

    code: str
    lasts: str = "for ever"
    says: Mapping[str, Any] = MappingProxyType({})


def told(error: RefusedError) -> Told:
    ends = {None: "until it ends", DAY_END: "until tomorrow", NOW + timedelta(days=1): "for a day"}
    lasts = ends[error.again_at] if isinstance(error, RefusedForNow) else "for ever"
    return Told(error.code, lasts, error.params)


def refusal(
    *,
    new: bool = True,
    usage: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    operator: dict[str, Any] | None = None,
    **about: Any,
) -> RefusedError | None:
    """Judge a run with these fields; `person` and `channel` are what Discord says now, as for a new run."""
    person, channel = about.pop("person", PERSON if new else None), about.pop("channel", None)
    is_marked = about.pop("is_marked", False)
    run = made_run(**{"state": RunState.WAITING, **about})
    channel = channel or (ChannelState(age_restricted=run.channel_age_restricted) if new else None)
    judged = refused(
        judge,
        run,
        replace(USAGE, **(usage or {})),
        OperatorRules(**(operator or {})),
        ServerRules.model_validate({"reviewer_role_id": REVIEWERS, **(rules or {})}),
        person=person,
        channel=channel,
        is_marked=is_marked,
        new=new,
    )
    if judged is not None:
        assert explain(judged) not in (SENTENCES["internal"], judged.code)
        assert None not in judged.params.values()
    return judged


def stamp(moment: datetime | None) -> int:
    assert moment
    return int(moment.timestamp())


ELSEWHERE, HERE = {"allowed_guild_ids": frozenset({8})}, {"allowed_guild_ids": frozenset({1, 8})}
DIRECT: dict[str, Any] = {"guild_id": None}
OWN_INSTALL: dict[str, Any] = {"guild_id": None, "user_install": True}
PAUSED, SPAM = {"paused": "moving"}, made_block("spam", None)
WAN, SDXL = {"deployment": "wan"}, {"deployment": "sdxl"}
UNKNOWN_GPU: dict[str, Any] = {"rules": {"gpu_roles": {"H100": [STAFF], "A10G": [ARTISTS]}}}
YOUNG = {"people": {"account_days": 101, "member_days": 11}}
OLD_ENOUGH = {"people": {"account_days": 100, "member_days": 10}}
STORED: dict[str, Any] = {
    "new": False,
    "requester_roles": (STAFF,),
    "rules": {"deployment_roles": {"flux": [STAFF]}},
}
MARKED, NEWCOMER = ChannelState(age_restricted=True), {"people": {"member_days": 1}}
MISSING = ChannelState(missing=("Attach Files", "Send Messages"))
ROLES = {
    "deployment_roles": {"flux": [STAFF], "wan": [ARTISTS, STAFF], "gone": []},
    "gpu_roles": {"H100": [STAFF], "A10G": [ARTISTS, STAFF], "B200": []},
}
BLOCK = made_block("*", NOW + timedelta(days=3))
ARTIST, MEMBER = {"person": having(ARTISTS), "rules": ROLES}, {"person": PERSON, "rules": ROLES}
STAFF_MEMBER = {"person": having(STAFF), "rules": ROLES}
BUDGETS: dict[str, Any] = {
    "rules": {
        "budgets": {"person": {"runs_a_day": 3, "gpu_seconds_a_day": 200}, "server": {"runs_a_day": 9}}
    },
    "operator": {"daily_gpu_seconds": 600},
}
BATCH = {"count": 3, "state": RunState.AWAITING_APPROVAL, "new": False, **BUDGETS}
CHARGED = {"charged_on": NOW.date(), "new": False, **BUDGETS}
UNLIMITED = {"rules": {"budgets": {"person": {"runs_a_day": 3}, "unlimited_roles": {ARTISTS: True}}}}
CAPPED = {"operator": {"max_waiting_per_server": 5, "allow_direct_messages": True}}
NO_BUDGET = {"person": Spending(runs=3, gpu_seconds=200), "server": Spending(runs=9)}
USED, WAITING_4 = Spending(gpu_seconds=1), {"server": Spending(waiting=4)}
A_MINUTE, TOMORROW = {"operator": {"daily_gpu_seconds": 60}}, "until tomorrow"
LIMIT = {"limit": 300, "needed": 240, "until": stamp(DAY_END)}


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        # The operator decides where the bot runs. What never may start doesn't wait for the end of a pause.
        ({"operator": HERE}, None),
        ({"usage": PAUSED, "operator": ELSEWHERE}, Told("guild_not_allowed")),
        (DIRECT, Told("direct_messages_off")),
        ({**DIRECT, "operator": {"allow_user_installs": True, **ELSEWHERE}}, None),
        ({**OWN_INSTALL, "operator": {"allow_direct_messages": True}}, Told("user_installs_off")),
        ({"usage": PAUSED}, Told("paused", "until it ends")),
        # A block gives its reason and its end.
        (
            {"usage": {**PAUSED, "block": BLOCK}},
            Told("blocked_until", says={"reason": r"\*", "until": stamp(BLOCK.until)}),
        ),
        ({"usage": {"block": made_block(None, None)}}, Told("blocked", says={"reason": r"\-", "until": 0})),
        # A result must be shown in its channel, and an age-restricted one in an age-restricted channel.
        ({"channel": ChannelState(exists=False), "usage": PAUSED}, Told("channel_gone")),
        ({"channel": ChannelState(locked=True)}, Told("thread_locked")),
        ({"channel": MISSING}, Told("missing_permissions", says={"missing": "Attach Files, Send Messages"})),
        ({"channel": ChannelState(), "is_marked": True, "new": False}, Told("age_restricted")),
        # A private result needs a server that allows it.
        ({"private": True}, Told("private_off")),
        (
            {**DIRECT, "private": True, "operator": {"allow_direct_messages": True}},
            Told("private_server_only"),
        ),
        # A role's refusal names the choices that the roles include.
        ({**ARTIST, **WAN, "gpu": "L4"}, None),
        (ARTIST, Told("deployment_role", says={"allowed": "wan"})),
        (MEMBER, Told("deployment_role_none")),
        ({**ARTIST, **WAN, "gpu": "H100"}, Told("gpu_role", says={"gpu": "H100", "allowed": "A10G"})),
        # The last role of these was deleted: they are open to nobody.
        ({**STAFF_MEMBER, "deployment": "gone"}, Told("deployment_role", says={"allowed": "flux, wan"})),
        # The pinned GPU counts, not the chosen one.
        (
            {**MEMBER, **SDXL, "gpu": "L4", "expected_gpu": "H100"},
            Told("gpu_role_none", says={"gpu": "H100"}),
        ),
        # A GPU that nobody knows may be any restricted one.
        ({**UNKNOWN_GPU, "person": having(STAFF)}, Told("gpu_role_all")),
        ({**UNKNOWN_GPU, "person": having(STAFF, ARTISTS)}, None),
        # Ages are those of Discord's answer. Moderators are not asked for theirs.
        (
            {"rules": YOUNG},
            Told("account_too_young", "for a day", {"days": 101, "until": stamp(NOW + timedelta(days=1))}),
        ),
        ({"rules": NEWCOMER, "person": having(joined_at=None)}, Told("member_too_young", "for a day")),
        ({"rules": OLD_ENOUGH}, None),
        ({"rules": YOUNG, "person": having(manages_server=True)}, None),
        ({"new": False, "rules": YOUNG}, None),
        # The roles of the request count unless Discord was asked.
        (STORED, None),
        ({**STORED, "person": PERSON}, Told("deployment_role_none")),
        ({**STORED, "requester_roles": None}, None),
        # The expected seconds must fit under the operator's ceiling, also those of people without limits.
        ({"operator": {"daily_gpu_seconds": 9}}, Told("daily_limit", says={"until": stamp(DAY_END)})),
        ({**A_MINUTE, "usage": {"gpu_seconds_today": 0.5}}, Told("daily_limit", TOMORROW)),
        # Budgets are renewed tomorrow.
        ({**BUDGETS, "usage": {"person": Spending(runs=2, gpu_seconds=140)}}, None),
        ({**BUDGETS, "usage": {"person": Spending(runs=3)}}, Told("budget_runs", TOMORROW)),
        ({**BUDGETS, "reserved_seconds": 201}, Told("budget_gpu")),
        ({**BUDGETS, "reserved_seconds": 200, "usage": {"person": USED}}, Told("budget_gpu", TOMORROW)),
        ({**UNLIMITED, "person": having(ARTISTS), "usage": {"person": Spending(runs=5)}}, None),
        # The runs of a batch that a moderator approves are judged together, and do not wait.
        ({**BATCH, "operator": {"max_waiting_per_server": 2}}, None),
        ({**BATCH, "usage": {"person": Spending(runs=1)}}, Told("budget_runs", TOMORROW)),
        ({**BATCH, "usage": {"person": Spending(gpu_seconds=21)}}, Told("budget_gpu", TOMORROW)),
        ({**BATCH, "usage": {"server": Spending(runs=7)}}, Told("server_budget_runs", TOMORROW)),
        ({**BATCH, "usage": {"gpu_seconds_today": 421}}, Told("daily_limit", TOMORROW)),
        # A run that waits is judged alone.
        ({**BATCH, "state": RunState.WAITING, "usage": {"person": Spending(runs=2)}}, None),
        # A run that is charged today is judged by the operator's ceiling only.
        ({**CHARGED, "usage": NO_BUDGET}, None),
        # The operator caps the waiting runs of a server.
        ({**CAPPED, "usage": {"server": Spending(waiting=5)}}, Told("server_budget_waiting")),
        ({**CAPPED, "usage": WAITING_4, "new": False}, None),
        ({**CAPPED, "usage": WAITING_4, "count": 2}, Told("server_budget_waiting_count")),
        ({**CAPPED, **DIRECT, "usage": {"server": Spending(waiting=9)}}, None),
    ],
)
def test_what_is_refused_for_how_long(situation: dict[str, Any], expected: Told | None) -> None:
    error = refusal(**situation)
    if expected is None or error is None:
        assert error is expected
        return
    found = told(error)
    assert found[:2] == expected[:2]
    assert expected.says.items() <= found.says.items()


@pytest.mark.parametrize(
    ("whose", "spent", "code", "says"),
    [
        ("person", Spending(waiting=10), "budget_waiting", {"limit": 10}),
        ("server", Spending(runs=5), "server_budget_runs", {"limit": 5, "until": stamp(DAY_END)}),
        ("person", Spending(gpu_seconds=60.5), "budget_gpu", {**LIMIT, "left": 239}),
        ("server", Spending(gpu_seconds=5000), "server_budget_gpu", {**LIMIT, "left": 0}),
    ],
)
def test_a_budget_refusal_says_what_is_left_and_when_more_comes(
    whose: str, spent: Spending, code: str, says: dict[str, Any]
) -> None:
    rules = {"budgets": {whose: {"waiting": 10, "runs_a_day": 5, "gpu_seconds_a_day": 300}}}
    found = refusal(usage={whose: spent}, rules=rules, weight=4)
    assert found
    assert (found.code, found.params) == (code, says)
    assert not refusal(usage={whose: Spending(waiting=9, runs=4, gpu_seconds=60)}, rules=rules, weight=4)


@pytest.mark.parametrize(
    ("used", "code", "possible"),
    [
        ({"person": Spending(waiting=8)}, "budget_waiting_count", 2),
        ({"person": Spending(runs=3)}, "budget_runs", None),
        ({"gpu_seconds_today": 480}, "daily_limit_count", 2),
    ],
)
def test_a_refused_batch_says_how_many_fit(used: dict[str, Any], code: str, possible: int | None) -> None:
    found = refusal(**BUDGETS, usage=used, count=4)
    assert found
    assert (found.code, found.params.get("possible")) == (code, possible)
    assert possible is None or {str(possible), "4"} <= set(explain(found))
    assert {f"{code}_count" for code in LIMITS} <= set(SENTENCES)


def accepted(
    rules: dict[str, Any], *roles: int, options: dict[str, bool] | None = None, **about: Any
) -> Run | str:
    """Return a request as it is accepted, or the code of its refusal."""
    facts = Facts(ServerRules.model_validate(rules), USAGE, expected={"H100": 30.0})
    operator = OperatorRules(allow_direct_messages=True, daily_gpu_seconds=600)
    run = made_run(RunState.SUCCEEDED, **about)
    try:
        return decide(run, actor(having(*roles)), facts, operator, **(options or {}))
    except RefusedError as error:
        return error.code


def approval(mode: str, **more: Any) -> dict[str, Any]:
    return {"approval": {"mode": mode, "review_channel_id": 99, **more}}


def test_a_request_is_judged_before_it_is_accepted() -> None:
    assert accepted(YOUNG) == "account_too_young"
    assert accepted({}, age_restricted=True) == "age_restricted"
    assert accepted({"budgets": {"person": {"waiting": 1}}}, count=2) == "budget_waiting_count"
    # Approval needs a channel for the card, and an answer that nobody else sees.
    assert accepted(approval("everybody"), options={"public": True}) == "rules_changed"
    for channel in (None, CLOSED):
        assert accepted(approval("everybody", review_channel_id=channel)) == "review_unreachable"


WAN_OR_H100 = approval("selected", deployments=["wan"], gpus=["H100"])


@pytest.mark.parametrize(
    ("rules", "gpu", "roles", "waits"),
    [
        (approval("off"), None, [], False),
        # Moderators need approval, too.
        (approval("everybody"), None, [ARTISTS, REVIEWERS], True),
        (approval("without_roles", exempt_roles=[ARTISTS]), None, [ARTISTS, STAFF], False),
        (approval("without_roles", exempt_roles=[ARTISTS]), None, [STAFF], True),
        (approval("selected", deployments=["flux"]), None, [], True),
        (WAN_OR_H100, "L4", [], False),
        # The GPU that the machine takes by itself may be the selected one.
        (WAN_OR_H100, None, [], True),
        (WAN_OR_H100, "H100", [], True),
    ],
)
def test_the_mode_decides_who_waits_for_a_moderator_and_is_charged_later(
    rules: dict[str, Any], gpu: str | None, roles: list[int], waits: bool
) -> None:
    found = accepted(rules | {"reviewer_role_id": REVIEWERS}, *roles, expected_gpu=gpu)
    assert isinstance(found, Run)
    state = RunState.AWAITING_APPROVAL if waits else RunState.WAITING
    expected = (state, 99 if waits else None, None if waits else NOW.date())
    assert (found.state, found.review_channel_id, found.charged_on) == expected
    outside = accepted(rules, *roles, expected_gpu=gpu, guild_id=None)
    assert isinstance(outside, Run)
    assert outside.review_channel_id is None


@pytest.mark.parametrize(
    ("mode", "restricted", "spoiler"),
    [
        ("never", False, False),
        ("always", True, True),
        ("not_age_restricted", False, True),
        ("not_age_restricted", True, False),
    ],
)
def test_the_terms_of_an_accepted_request(mode: str, restricted: bool, spoiler: bool) -> None:
    rules = {"spoiler": mode, "budgets": {"gpu_weights": {"H100": 4}}}
    found = accepted(rules, STAFF, ARTISTS, expected_gpu="H100", channel_age_restricted=restricted)
    assert isinstance(found, Run)
    assert found.spoiler is spoiler
    assert (found.weight, found.reserved_seconds, found.charged_seconds) == (4, 30, 120)
    assert (found.created_at, found.requester_joined_at) == (NOW, PERSON.joined_at)
    assert found.requester_roles == (ARTISTS, STAFF)


def test_a_paid_result_may_be_posted_wherever_the_bot_may_be() -> None:
    def code(origin: Origin, usage: dict[str, Any], **operator: Any) -> str | None:
        return code_of(check_posting, origin, replace(USAGE, **usage), OperatorRules(**operator))

    assert code(place(), PAUSED) == "paused"
    assert code(place(), {"block": SPAM}) == "blocked"
    assert code(place(), {}, **ELSEWHERE) == "guild_not_allowed"
    assert code(place(None, user_install=True), {}) == "user_installs_off"
    # What is paid for is posted where no new request would be allowed.
    assert code(place(None), {"gpu_seconds_today": 100}, daily_gpu_seconds=1) is None


def test_a_moderator_manages_the_server_or_has_the_reviewer_role() -> None:
    rules = ServerRules(reviewer_role_id=REVIEWERS)
    assert check_moderator(7, having(manages_server=True), rules) == 7
    assert check_moderator(7, having(REVIEWERS), rules) == 7
    assert code_of(check_moderator, 7, having(ARTISTS), rules) == "not_a_moderator"
    assert code_of(check_moderator, None, having(manages_server=True), rules) == "server_only"


def test_a_result_is_age_restricted_by_any_mark_of_then_or_now() -> None:
    run, in_marked_channel = made_run(), made_run(channel_age_restricted=True)
    assert not run.is_restricted(False)
    assert made_run(age_restricted=True).is_restricted(False)
    assert run.is_restricted(True)
    assert in_marked_channel.is_restricted(False)


def test_the_bot_can_post_where_a_result_can_be_shown() -> None:
    for state in (ChannelState(), ChannelState(exists=False), ChannelState(locked=True), MISSING):
        assert state.can_post is (code_of(check_channel, state) is None)
