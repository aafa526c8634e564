"""What may be shown of checked outputs, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.picture_check import (
    FORBIDDEN_WORD,
    UNREACHABLE,
    Check,
    Flagged,
    Label,
    Labels,
    Level,
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

F, V = Flagged, Verdict
CLEAN, NUDE, UNKNOWN = frozenset[str](), frozenset({Label.NUDITY}), None


@pytest.mark.parametrize(
    ("flagged", "can_hold", "labels", "verdict"),
    [
        (F.OFF, True, NUDE, V.SHOW),
        (F.OFF, True, UNKNOWN, V.SHOW),
        (F.SPOILER, True, CLEAN, V.SHOW),
        (F.SPOILER, True, NUDE, V.SPOILER),
        (F.SPOILER, True, UNKNOWN, V.SPOILER),
        (F.HOLD, True, CLEAN, V.SHOW),
        (F.HOLD, True, NUDE, V.HELD),
        (F.HOLD, True, frozenset({FORBIDDEN_WORD}), V.HELD),
        (F.HOLD, True, UNKNOWN, V.HELD),
        (F.HOLD, False, NUDE, V.HIDDEN),
        (F.HOLD, False, UNKNOWN, V.SPOILER),
        (F.HIDE, True, NUDE, V.HIDDEN),
        (F.HIDE, True, UNKNOWN, V.HELD),
        (F.HIDE, False, UNKNOWN, V.SPOILER),
    ],
)
def test_a_verdict(flagged: Flagged, can_hold: bool, labels: Labels, verdict: Verdict) -> None:
    check = Check(flagged, Level.NORMAL, can_hold, holds_unknown=True)
    assert check.verdict(labels) is verdict
    if labels is None:
        assert replace(check, holds_unknown=False).verdict(labels) is V.SHOW


@pytest.mark.parametrize(
    ("level", "flagging"),
    [
        (Level.STRICT, {Label.EXPLICIT, Label.NUDITY, Label.SUGGESTIVE}),
        (Level.NORMAL, {Label.EXPLICIT, Label.NUDITY}),
        (Level.EXPLICIT, {Label.EXPLICIT}),
    ],
)
def test_a_level_flags_some_labels(level: Level, flagging: set[Label]) -> None:
    check = Check(Flagged.HIDE, level, can_hold=True, holds_unknown=True)
    assert {label for label in Label if check.verdict(frozenset({label})) is V.HIDDEN} == flagging


@pytest.mark.parametrize(
    ("rules", "least", "run", "expected"),
    [
        ({}, F.OFF, {}, (F.OFF, Level.NORMAL)),
        ({"flagged": F.HOLD, "level": Level.STRICT}, F.OFF, {}, (F.HOLD, Level.STRICT)),
        ({"flagged": F.HOLD, "exempt_deployments": {"flux"}}, F.OFF, {}, (F.OFF, Level.NORMAL)),
        ({"flagged": F.HOLD, "exempt_roles": {5}}, F.OFF, {"requester_roles": (4, 5)}, (F.OFF, Level.NORMAL)),
        ({"flagged": F.HOLD, "exempt_roles": {5}}, F.OFF, {"requester_roles": (4,)}, (F.HOLD, Level.NORMAL)),
        # The operator's minimum: servers only tighten it, and outside servers it is all there is.
        ({"flagged": F.SPOILER}, F.HOLD, {}, (F.HOLD, Level.NORMAL)),
        ({"flagged": F.HIDE}, F.HOLD, {}, (F.HIDE, Level.NORMAL)),
        ({"flagged": F.HIDE, "level": Level.EXPLICIT}, F.SPOILER, {}, (F.HIDE, Level.NORMAL)),
        ({"flagged": F.HIDE, "level": Level.STRICT}, F.SPOILER, {}, (F.HIDE, Level.STRICT)),
        ({"flagged": F.HIDE, "exempt_deployments": {"flux"}}, F.SPOILER, {}, (F.SPOILER, Level.NORMAL)),
        ({"flagged": F.HIDE}, F.SPOILER, {"guild_id": None}, (F.SPOILER, Level.NORMAL)),
    ],
)
def test_the_rules_for_a_run(
    rules: dict[str, Any], least: Flagged, run: dict[str, Any], expected: tuple[Flagged, Level]
) -> None:
    own, operator = ServerRules.model_validate({"pictures": rules}), OperatorRules(flagged=least)
    check = check_of(made_run(deployment="flux", **run), own, operator, age_restricted=False)
    assert (check.flagged, check.level) == expected


@pytest.mark.parametrize(("exempt", "expected"), [(True, F.OFF), (False, F.HOLD)])
def test_age_restricted_channels_may_be_exempt(exempt: bool, expected: Flagged) -> None:
    pictures = {"flagged": F.HOLD, "exempt_age_restricted": exempt}
    rules = ServerRules.model_validate({"pictures": pictures})
    check = check_of(made_run(), rules, OperatorRules(), age_restricted=True)
    assert check.flagged is expected


def test_only_what_the_verdicts_allow_is_visible() -> None:
    outputs = tuple(Output("images", f"https://files.example/{n}", f"{n}.png") for n in range(1, 5))
    run = made_run(outputs=outputs, to_check=True)
    assert run.visible == ()
    check = Check(Flagged.HOLD, Level.NORMAL, can_hold=True, holds_unknown=True)
    verdicts = verdicts_on({1: CLEAN, 2: NUDE, 3: UNKNOWN, 4: CLEAN}, check)
    assert verdicts == {"2": ["held", "nudity"], "3": ["held", "couldn't be checked"]}
    held = replace(run, verdicts=verdicts)
    assert (held.visible, held.held) == ((outputs[0], outputs[3]), [2, 3])
    posted = replace(held, verdicts=decided(verdicts, decision_by(7, V.SPOILER)))
    assert (posted.visible, posted.held) == (outputs, [])
    hidden = replace(held, verdicts=decided(verdicts, decision_by(7, V.HIDDEN)))
    assert (hidden.visible, hidden.held) == ((outputs[0], outputs[3]), [])
    unreached = replace(held, verdicts=decided(verdicts, UNREACHABLE))
    assert (unreached.visible, unreached.held) == ((outputs[0], *outputs[2:]), [])
    assert numbers_with(unreached.verdicts, V.SPOILER) == [3]
    assert replace(run, to_check=False).visible == outputs


def test_nothing_links_to_what_is_held() -> None:
    outputs = tuple(Output("images", f"https://files.example/{n}", f"{n}.png") for n in range(1, 3))
    run = made_run(outputs=outputs, to_check=True, verdicts={"1": ["held", "nudity"]})
    remarks = linked_outputs(run, lambda _: True).remarks
    assert len(remarks) == 1
    assert "https://files.example/2" in remarks[0]
