"""What may be shown of checked outputs, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.picture_check import (
    UNREACHABLE,
    Check,
    Flagged,
    Label,
    Labels,
    Level,
    PictureDecision,
    Verdict,
    decided,
    decision_by,
    numbers_with,
    verdicts_on,
)
from bot.domain.policy import OperatorRules, check_of
from bot.domain.runs import Output
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.ui.status import linked_outputs
from tests.unit.factories import made_run

F, V, L = Flagged, Verdict, Level
CLEAN, NUDE, UNKNOWN = frozenset[str](), frozenset({Label.NUDITY}), None


@pytest.mark.parametrize(
    ("flagged", "can_hold", "labels", "verdict"),
    [
        (F.OFF, True, NUDE, V.SHOW),
        (F.SPOILER, True, NUDE, V.SPOILER),
        (F.HOLD, True, CLEAN, V.SHOW),
        (F.HOLD, True, NUDE, V.HELD),
        (F.HOLD, False, NUDE, V.HIDDEN),
        (F.HOLD, False, UNKNOWN, V.SPOILER),
        (F.HIDE, True, NUDE, V.HIDDEN),
        (F.HIDE, True, UNKNOWN, V.HELD),
    ],
)
def test_a_verdict(flagged: Flagged, can_hold: bool, labels: Labels, verdict: Verdict) -> None:
    check = Check(flagged, Level.NORMAL, can_hold, holds_unknown=True)
    assert check.verdict(labels) is verdict
    assert labels is not None or replace(check, holds_unknown=False).verdict(labels) is V.SHOW


def test_a_level_flags_some_labels() -> None:
    def flagged(level: Level) -> set[Label]:
        check = Check(Flagged.HIDE, level, can_hold=True, holds_unknown=True)
        return {label for label in Label if check.verdict(frozenset({label})) is V.HIDDEN}

    assert flagged(L.STRICT) == {Label.EXPLICIT, Label.NUDITY, Label.SUGGESTIVE}
    assert flagged(L.NORMAL) == {Label.EXPLICIT, Label.NUDITY}
    assert flagged(L.EXPLICIT) == {Label.EXPLICIT}


HOLD: dict[str, Any] = {"flagged": F.HOLD}
EXEMPT, EXEMPT_ROLE = {"exempt_deployments": {"flux"}}, {**HOLD, "exempt_roles": {5}}
HIDE_EXPLICIT = {"flagged": F.HIDE, "level": L.EXPLICIT}
MARKED = {"channel_age_restricted": True}


@pytest.mark.parametrize(
    ("rules", "least", "run", "expected"),
    [
        ({}, F.OFF, {}, (F.OFF, L.NORMAL)),
        ({**HOLD, **EXEMPT}, F.OFF, {}, (F.OFF, L.NORMAL)),
        (EXEMPT_ROLE, F.OFF, {"requester_roles": (4, 5)}, (F.OFF, L.NORMAL)),
        (HOLD, F.OFF, MARKED, (F.OFF, L.NORMAL)),
        ({**HOLD, "exempt_age_restricted": False}, F.OFF, MARKED, (F.HOLD, L.NORMAL)),
        # The operator's minimum: servers only tighten it, and outside servers it is all there is.
        ({"flagged": F.SPOILER}, F.HOLD, {}, (F.HOLD, L.NORMAL)),
        (HIDE_EXPLICIT, F.OFF, {}, (F.HIDE, L.EXPLICIT)),
        (HIDE_EXPLICIT, F.SPOILER, {}, (F.HIDE, L.NORMAL)),
        ({"flagged": F.HIDE, "level": L.STRICT, **EXEMPT}, F.SPOILER, {}, (F.SPOILER, L.NORMAL)),
    ],
)
def test_the_rules_for_a_run(
    rules: dict[str, Any], least: Flagged, run: dict[str, Any], expected: tuple[Flagged, Level]
) -> None:
    own, operator = ServerRules.model_validate({"pictures": rules}), OperatorRules(flagged=least)
    made = made_run(deployment="flux", **run)
    check = check_of(made, own, operator, age_restricted=made.channel_age_restricted)
    assert (check.flagged, check.level) == expected


def test_pictures_are_held_only_for_a_servers_moderators() -> None:
    rules = ServerRules.model_validate({"approval": {"review_channel_id": 9}})
    operator = OperatorRules(flagged=F.HOLD)
    runs = made_run(), made_run(guild_id=None), made_run(user_install=True)
    checks = [
        check_of(run, each, operator, age_restricted=False) for each in (rules, ServerRules()) for run in runs
    ]
    assert [check.can_hold for check in checks] == [True, *[False] * 5]
    assert all(check.holds_unknown is True for check in checks)


OUTPUTS = tuple(Output("images", f"https://files.example/{n}", f"{n}.png") for n in range(1, 5))
HOLDING = Check(Flagged.HOLD, Level.NORMAL, can_hold=True, holds_unknown=True)
VERDICTS = {"2": ["held", "nudity"], "3": ["held", "couldn't be checked"]}
HELD = made_run(outputs=OUTPUTS, to_check=True, verdicts=VERDICTS)


def test_only_what_the_verdicts_allow_is_visible() -> None:
    assert verdicts_on({1: CLEAN, 2: NUDE, 3: UNKNOWN, 4: CLEAN}, HOLDING) == VERDICTS
    assert replace(HELD, verdicts=None).visible == ()
    assert (HELD.visible, HELD.held) == ((OUTPUTS[0], OUTPUTS[3]), [2, 3])
    assert replace(HELD, to_check=False).visible == OUTPUTS
    remarks = " ".join(linked_outputs(HELD, lambda _: True).remarks)
    assert [number for number in range(1, 5) if f"files.example/{number}" in remarks] == [1, 4]


def test_a_decision_is_about_everything_that_is_held() -> None:
    def after(decision: PictureDecision) -> tuple[list[str | None], list[int]]:
        run = replace(HELD, verdicts=decided(VERDICTS, decision))
        assert run.held == []
        return [output.filename for output in run.visible], numbers_with(run.verdicts, V.SPOILER)

    assert after(decision_by(7, V.SPOILER)) == (["1.png", "2.png", "3.png", "4.png"], [2, 3])
    assert after(decision_by(7, V.HIDDEN)) == (["1.png", "4.png"], [])
    assert after(UNREACHABLE) == (["1.png", "3.png", "4.png"], [3])
