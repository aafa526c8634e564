"""The declared settings: forms accept and refuse values, nothing else changes, and changes are told."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import InputErrors, RefusedError
from bot.domain.settings.fields import (
    SECTIONS,
    apply_form,
    describe_changes,
    form_of,
    keys_of,
    refilled,
    without_missing,
)
from bot.domain.settings.rules_and_defaults import ServerRules, parse_stored_rules
from bot.domain.settings.setting_types import Names, SettingsContext

AROUND = SettingsContext(
    server="Studio",
    role_ids=frozenset(range(1, 40)),
    channel_ids=frozenset({100, 101}),
    deployments={"flux": "Flux", "ltx": "LTX"},
    gpus=("T4", "A100"),
)
RULES = ServerRules()
# What the map of a section is about: the key of the forms here.
KEYS = {None: None, Names.ROLE: 5, Names.GPU: "A100", Names.DEPLOYMENT: "flux"}
Typed = dict[str, Sequence[str]]


def key_in(section: str) -> Any:
    return KEYS[keys_of(SECTIONS[section])]


def submitted(rules: ServerRules, section: str, typed: Typed) -> Typed:
    """Return what a client sends if these fields of a form are changed, named by the end of their path."""
    found, left = {}, dict(typed)
    for field in form_of(SECTIONS[section], key_in(section), rules, AROUND, whole=True):
        path, name, _ = field.name.split(":")
        name = f"{path.rpartition('.')[2]}_{name}".removesuffix("_").removesuffix("_0")
        found[field.name] = left.pop(name, field.values)
    assert not left, left
    return found


def edit(rules: ServerRules, section: str, **typed: Sequence[str]) -> ServerRules:
    form = submitted(rules, section, typed)
    after, stale = apply_form(SECTIONS[section], key_in(section), form, rules, AROUND)
    assert not stale
    return after


def weighing(weight: float) -> dict[str, Any]:
    return {"budgets": {"gpu_weights": {"A100": weight}}}


def blocking(*words: str) -> dict[str, Any]:
    return {"words": {"blocked": words}}


def approving(**more: Any) -> dict[str, Any]:
    return {"approval": more}


ON, GONE = ({"mode": "everybody", "review_channel_id": channel} for channel in (100, 9))
STAFF_ONLY, CLOSED = {"gpu_roles": {"A100": [5]}}, {"gpu_roles": {"A100": []}}
UNLIMITED = {"budgets": {"role_at_once": {5: 6}, "unlimited_roles": {5: True}}}
WORDS, OLD_WORD = blocking("bad", "red fox"), blocking("a*b")
FULL = [f"w{n:03}" for n in range(500)]


@pytest.mark.parametrize(
    ("before", "section", "typed", "after"),
    [
        # A number is taken to its limits.
        ({}, "record", {"retention_days": [" 3,650 "]}, {"retention_days": 3650}),
        ({}, "gpus", {"gpu_weights": ["2,5"]}, weighing(2.5)),
        (weighing(2), "gpus", {"gpu_weights": [""]}, {}),
        # A role can be unlimited and keep its own numbers.
        ({"budgets": {"role_at_once": {5: 6}}}, "roles", {"unlimited_roles": ["true"]}, UNLIMITED),
        (UNLIMITED, "roles", {"unlimited_roles": ["none"], "role_at_once": [""]}, {}),
        # Approval can be on if its channel is there, and other fields can be changed if it is gone.
        ({}, "approval", {"mode": ["everybody"], "review_channel_id": ["100"]}, approving(**ON)),
        (approving(**ON), "approval", {"mode": ["off"], "review_channel_id": []}, {}),
        (approving(**GONE), "approval", {"hours": ["5"]}, approving(**GONE, hours=5)),
        # A set keeps what its form does not show.
        (
            approving(deployments=["gone", "flux"], exempt_roles=[900]),
            "selected",
            {"deployments": ["ltx"]},
            approving(deployments=["gone", "ltx"], exempt_roles=[900]),
        ),
        (
            approving(exempt_roles=[900, 1]),
            "approval",
            {"exempt_roles": ["2"]},
            approving(exempt_roles=[900, 2]),
        ),
        # After 25 roles there is a field for more.
        (
            approving(exempt_roles=[*range(1, 26)]),
            "approval",
            {"exempt_roles_1": ["30"]},
            approving(exempt_roles=[*range(1, 26), 30]),
        ),
        # A GPU for nobody is not open to everybody.
        ({}, "gpus", {"gpu_roles": ["5"]}, STAFF_ONLY),
        (STAFF_ONLY, "gpus", {"gpu_roles": []}, CLOSED),
        (CLOSED, "gpus", {"gpu_roles_all": ["yes"]}, {}),
        ({}, "gpus", {"gpu_roles_all": ["no"]}, CLOSED),
        # A role that is gone stays until somebody cleans up.
        ({"gpu_roles": {"A100": [5, 900]}}, "gpus", {"gpu_roles": []}, {"gpu_roles": {"A100": [900]}}),
        # Words are kept once each without spare space, and found in any case.
        ({}, "words", {"blocked_add": [" red \t fox \n\nbad\nbad\n "]}, WORDS),
        (WORDS, "words", {"blocked_remove": ["RED fox"]}, blocking("bad")),
        ({}, "words", {"blocked_add": ["क्\u200dष"]}, blocking("क्\u200dष")),
        (blocking("क्\u200dष"), "words", {"blocked_remove": ["क्ष"]}, {}),
        (blocking(*FULL[1:]), "words", {"blocked_add": FULL[:1]}, blocking(*FULL)),
        # A word of an earlier version, which is not taken any more, can stay and go.
        (OLD_WORD, "words", {"blocked_add": ["**fox"]}, blocking("**fox", "a*b")),
        (OLD_WORD, "words", {"blocked_remove": ["a*b"]}, {}),
    ],
)
def test_what_a_form_changes(
    before: dict[str, Any], section: str, typed: Typed, after: dict[str, Any]
) -> None:
    rules, expected = ServerRules.model_validate(before), ServerRules.model_validate(after)
    assert edit(rules, section, **typed) == expected


@pytest.mark.parametrize(
    ("rules", "section", "typed", "codes"),
    [
        ({}, "record", {"retention_days": ["0"]}, "too_small"),
        ({}, "record", {"retention_days": ["3651"]}, "too_large"),
        ({}, "record", {"retention_days": ["1.000"]}, "not_integer"),
        ({}, "gpus", {"gpu_weights": ["nan"]}, "not_number"),
        ({}, "gpus", {"gpu_weights": ["0"]}, "not_above"),
        ({}, "gpus", {"gpu_weights": ["100.1"]}, "too_large"),
        ({}, "results", {"spoiler": ["often"]}, "not_offered"),
        # A form names every mistake.
        (
            {},
            "member",
            {"at_once": ["0"], "waiting": ["x"], "runs_a_day": ["1,000,001"]},
            "too_small not_integer too_large",
        ),
        ({}, "approval", {"mode": ["everybody"], "reviewer_role_id": ["999"]}, "role_unknown needs_channel"),
        (approving(review_channel_id=9), "approval", {"mode": ["everybody"]}, "needs_channel"),
        (WORDS, "words", {"blocked_remove": ["fox\nbad\nOwl"]}, "word_not_listed word_not_listed"),
        ({}, "words", {"blocked_add": ["*\na*b\n*fox*"]}, "word_only_star word_inner_star"),
        ({}, "words", {"blocked_add": ["\n".join([*FULL, "z" * 61])]}, "word_too_long too_many_words"),
    ],
)
def test_a_mistake_in_a_form_is_told(rules: dict[str, Any], section: str, typed: Typed, codes: str) -> None:
    with pytest.raises(InputErrors) as caught:
        edit(ServerRules.model_validate(rules), section, **typed)
    found = [error.code.removeprefix("settings_") for error in caught.value.errors]
    assert found == codes.split()


def test_a_mistake_is_told_with_its_value_and_limit() -> None:
    for section, typed, params in (
        ("record", {"retention_days": ["x" * 99]}, {"value": f"{'x' * 39}…"}),
        ("gpus", {"gpu_weights": ["-1.50"]}, {"value": r"\-1.5", "limit": "0"}),
    ):
        with pytest.raises(InputErrors) as caught:
            edit(ServerRules.model_validate(WORDS), section, **typed)
        assert params.items() <= caught.value.errors[0].params.items()


def test_a_weight_is_shown_as_it_was_typed() -> None:
    for typed in ("0.00001", "33.3333333"):
        rules = edit(RULES, "gpus", gpu_weights=[typed])
        assert typed in describe_changes(RULES, rules, AROUND)[0][1:]
        assert [typed] in [list(each) for each in submitted(rules, "gpus", {}).values()]


def test_a_stale_form_is_refused_only_where_somebody_changed_the_same() -> None:
    section = SECTIONS["results"]
    form = submitted(RULES, "results", {"spoiler": ["always"], "private_results": ["true"]})
    meanwhile = edit(RULES, "results", spoiler=["not_age_restricted"], gallery_channel_id=["100"])
    after, stale = apply_form(section, None, form, meanwhile, AROUND)
    assert [error.code for error in stale] == ["settings_changed_meanwhile"]
    assert after == edit(meanwhile, "results", private_results=["true"])
    # The same choice of two moderators is no conflict.
    same = edit(RULES, "results", spoiler=["always"])
    both = edit(same, "results", private_results=["true"])
    assert apply_form(section, None, form, same, AROUND) == (both, [])


def test_tidying_takes_out_all_missing_references_and_nothing_else() -> None:
    approval = {"exempt_roles": [1, 900], "deployments": ["flux", "old"], "gpus": ["T4", "GTX"]}
    rules = ServerRules.model_validate(
        {
            "reviewer_role_id": 900,
            "approval": {**approval, "review_channel_id": 999},
            "budgets": {
                "role_at_once": {1: 1, 900: 1},
                "gpu_weights": {"T4": 2, "GTX": 3},
            },
            "gpu_roles": {"GTX": [1], "T4": [1, 900]},
            "deployment_roles": {"old": [1], "flux": [900]},
            "gallery_channel_id": 998,
        }
    )
    tidy = without_missing(rules, AROUND)
    gone = ServerRules.model_validate(approving(**GONE))
    assert without_missing(gone, AROUND) == gone, "approval is on, and would be off without its channel"
    assert without_missing(tidy, AROUND) == tidy
    assert tidy == ServerRules.model_validate(
        {
            "approval": {"exempt_roles": [1], "deployments": ["flux"], "gpus": ["T4"]},
            "budgets": {"role_at_once": {1: 1}, "gpu_weights": {"T4": 2}},
            "gpu_roles": {"T4": [1]},
            "deployment_roles": {"flux": []},
        }
    )


@pytest.mark.parametrize("section", SECTIONS)
@given(data=st.data())
def test_any_input_changes_the_rules_or_is_refused(section: str, data: st.DataObject) -> None:
    assert edit(RULES, section) == RULES
    values = st.lists(st.text(max_size=20), max_size=1)
    form = {name: data.draw(values) for name in submitted(RULES, section, {})}
    after = RULES
    with suppress(InputErrors):
        after, _ = apply_form(SECTIONS[section], key_in(section), form, RULES, AROUND)
    assert ServerRules.model_validate(after.model_dump(mode="json")) == after
    assert bool(describe_changes(RULES, after, AROUND)) == (after != RULES)


@pytest.mark.parametrize("form", [{"retention_days::0": ["1"]}, {"approval.mode::0": ["off", "selected"]}])
def test_a_form_of_another_version_is_refused(form: Typed) -> None:
    with pytest.raises(RefusedError, match="other_version"):
        apply_form(SECTIONS["approval"], None, form, RULES, AROUND)


def test_a_refused_form_comes_back_with_all_that_still_exists() -> None:
    for channel, shown in (("101", ("101",)), ("999", ())):
        form = submitted(RULES, "results", {"gallery_channel_id": (channel,)})
        fields = form_of(SECTIONS["results"], None, RULES, AROUND, whole=True)
        (field,) = [each for each in fields if "gallery_channel_id" in each.name]
        assert refilled(field, form, AROUND).values == shown


def test_a_change_of_a_long_list_is_told_by_what_came_and_went() -> None:
    roles = ", ".join(f"<@&{number}>" for number in range(1, 6))
    words = [f"w{n:02}" for n in range(100)]
    before = ServerRules.model_validate({"words": {"blocked": words}})
    after = ServerRules.model_validate(
        {"words": {"blocked": ["*new*", *words[1:]]}, "gpu_roles": {"A100": [*range(1, 6), 999]}}
    )
    assert describe_changes(before, after, AROUND) == [
        ("The bot's own list", "100 entries", "100 entries: added \\*new\\*; removed w00"),
        ("A100 · Who may use it", "everybody", f"{roles}, a deleted role (`999`)"),
    ]


@pytest.mark.parametrize("section", ServerRules.model_fields)
def test_a_damaged_section_never_costs_the_others(section: str) -> None:
    whole: dict[str, Any] = {"people": {"account_days": 5}, "spoiler": "always"}
    for damage in (None, 7, "x", [], {"a": []}, [["x"]]):
        rules, lost = parse_stored_rules({**whole, section: damage})
        assert section == "people" or rules.people.account_days == 5
        assert section == "spoiler" or rules.spoiler == "always"
        assert all(place.partition(".")[0] == section for place in lost)
