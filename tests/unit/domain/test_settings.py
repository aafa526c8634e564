"""The declared settings: forms accept and refuse values, nothing else changes, and changes are told."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import InputError, InputErrors, RefusedError
from bot.domain.settings.fields import (
    SECTIONS,
    apply_form,
    describe_changes,
    form_of,
    key_of,
    keys_of,
    without_missing,
)
from bot.domain.settings.kinds import Names, SettingsContext
from bot.domain.settings.rules_and_defaults import (
    Approval,
    ApprovalMode,
    RoleBudget,
    ServerRules,
    Words,
    parse_stored_rules,
)
from bot.domain.text import escape_line

AROUND = SettingsContext(
    server="Studio",
    role_ids=frozenset(range(1, 40)),
    channel_ids=frozenset({100, 101}),
    deployments={"flux": "Flux", "ltx": "LTX"},
    gpus=("T4", "A100"),
)
RULES = ServerRules()


def submitted(
    rules: ServerRules, section: str, key: int | str | None, context: SettingsContext, **typed: Sequence[str]
) -> dict[str, Sequence[str]]:
    """Return what a client sends if these fields of a form are changed, named by the end of their path."""
    fields = form_of(SECTIONS[section], key, rules, context, whole=True)
    found = {}
    for field in fields:
        path, name, _ = field.name.split(":")
        name = f"{path.rpartition('.')[2]}_{name}".removesuffix("_").removesuffix("_0")
        found[field.name] = typed.pop(name, field.values)
    assert not typed, typed
    return found


def edit(
    rules: ServerRules, section: str, key: int | str | None = None, **typed: Sequence[str]
) -> ServerRules:
    form = submitted(rules, section, key, AROUND, **typed)
    after, stale = apply_form(SECTIONS[section], key, form, rules, AROUND)
    assert not stale
    return after


def refused(
    section: str, key: int | str | None = None, *, rules: ServerRules = RULES, **typed: Sequence[str]
) -> list[InputError]:
    with pytest.raises(InputErrors) as caught:
        edit(rules, section, key, **typed)
    return list(caught.value.errors)


def codes(errors: Sequence[InputError]) -> list[str]:
    return [error.code.removeprefix("settings_") for error in errors]


@pytest.mark.parametrize(
    ("section", "name", "lowest", "highest"),
    [
        ("approval", "hours", 1, 336),
        ("record", "retention_days", 1, 3650),
        ("people", "member_days", 0, 3650),
    ],
)
def test_a_number_is_taken_to_its_limits_and_not_beyond(
    section: str, name: str, lowest: int, highest: int
) -> None:
    for number in (lowest, highest):
        assert edit(RULES, section, **{name: [str(number)]}) == edit(
            RULES, section, **{name: [f" {number:,} "]}
        )
    below = refused(section, **{name: [str(lowest - 1)]})
    above = refused(section, **{name: [str(highest + 1)]})
    assert (codes(below), below[0].params["limit"]) == (["too_small"], str(lowest))
    assert (codes(above), above[0].params["limit"]) == (["too_large"], str(highest))
    for text in ("x", "1.5", "1.000", "1e3", "--1", "0x10"):
        assert codes(refused(section, **{name: [text]})) == ["not_integer"]
    assert refused(section, **{name: ["x" * 99]})[0].params["value"] == f"{'x' * 39}…"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "not_number") for text in ("nan", "inf", "-inf", "many", "1.2.3")),
        *((text, "not_above") for text in ("0", "-1")),
        *((text, "too_large") for text in ("100.1", "999")),
    ],
)
def test_a_weight_is_a_number_within_its_limits(text: str, code: str) -> None:
    (refusal,) = refused("gpus", "A100", gpu_weights=[text])
    assert (refusal.code, refusal.params["value"]) == (f"settings_{code}", escape_line(text, 40))


def test_a_weight_of_one_or_nothing_is_none() -> None:
    for typed in ("2,5", "\uff12.\uff15"):
        heavy = edit(RULES, "gpus", "A100", gpu_weights=[typed])
        assert heavy.budgets.gpu_weights == {"A100": 2.5}
    for text in ("1", "1.0", ""):
        assert edit(heavy, "gpus", "A100", gpu_weights=[text]) == RULES


def test_a_form_names_every_mistake() -> None:
    errors = refused("member", at_once=["0"], waiting=["x"], runs_a_day=["1,000,001"])
    assert codes(errors) == ["too_small", "not_integer", "too_large"]
    labels = [error.params["label"] for error in errors]
    assert labels == [
        f"Limits per member · {each}" for each in ("Runs at once", "Runs waiting", "Runs per day")
    ]
    errors = refused("approval", mode=["everybody"], hours=["x"], reviewer_role_id=["999"])
    assert codes(errors) == ["not_integer", "role_unknown", "needs_channel"]


def test_a_role_can_be_unlimited_and_keep_its_own_numbers() -> None:
    rules = edit(RULES, "roles", 5, at_once=["6"])
    rules = edit(rules, "roles", 5, unlimited=["true"])
    assert rules.budgets.roles == {5: RoleBudget(at_once=6, unlimited=True)}
    rules = edit(rules, "roles", 6, unlimited=["true"])
    rules = edit(rules, "roles", 5, unlimited=["false"], at_once=[""])
    assert rules.budgets.roles == {6: RoleBudget(unlimited=True)}


def test_approval_can_not_be_on_without_a_channel_that_is_there() -> None:
    assert codes(refused("approval", mode=["everybody"])) == ["needs_channel"]
    stale = ServerRules(approval=Approval(review_channel_id=9))
    assert codes(refused("approval", mode=["everybody"], rules=stale)) == ["needs_channel"]
    on = edit(RULES, "approval", mode=["everybody"], review_channel_id=["100"])
    assert on.approval.mode is ApprovalMode.EVERYBODY
    assert codes(refused("approval", review_channel_id=[], rules=on)) == ["needs_channel"]
    assert edit(on, "approval", review_channel_id=["101"]).approval.review_channel_id == 101
    off = edit(on, "approval", mode=["off"], review_channel_id=[])
    assert off == RULES
    # Everything else can be changed, though the channel is gone.
    gone = ServerRules(approval=Approval(mode=ApprovalMode.EVERYBODY, review_channel_id=9))
    assert edit(gone, "approval", hours=["5"]).approval.review_channel_id == 9


def test_a_set_keeps_what_its_form_does_not_show() -> None:
    rules = ServerRules(
        approval=Approval(deployments=frozenset({"gone", "flux"}), exempt_roles=frozenset({900, 1}))
    )
    assert edit(rules, "selected", deployments=["ltx"]).approval.deployments == {"gone", "ltx"}
    assert edit(rules, "approval", exempt_roles=["2"]).approval.exempt_roles == {900, 2}


def test_words_are_kept_once_each_without_spare_space() -> None:
    rules = edit(RULES, "words", blocked_add=[" red \t fox \n\nbad\nbad\n "])
    assert rules.words.blocked == ("bad", "red fox")
    assert edit(rules, "words", blocked_add=["bad\nnew"]).words.blocked == ("bad", "new", "red fox")
    assert edit(rules, "words", blocked_remove=["RED fox"]).words.blocked == ("bad",)
    errors = refused("words", rules=rules, blocked_remove=["fox\nbad\nOwl"])
    assert [(*codes([error]), error.params["word"]) for error in errors] == [
        ("word_not_listed", "Owl"),
        ("word_not_listed", "fox"),
    ]
    joined = edit(RULES, "words", blocked_add=["क्\u200dष"])
    assert joined.words.blocked == ("क्\u200dष",)
    assert edit(joined, "words", blocked_remove=["क्ष"]).words.blocked == ()
    every = "\n".join(["*", "a*b", "*fox*", "z" * 61, *(f"w{n}" for n in range(500))])
    assert codes(refused("words", blocked_add=[every])) == [
        "word_only_star",
        "word_inner_star",
        "word_too_long",
        "too_many_words",
    ]
    # A list of an earlier version.
    old = ServerRules(words=Words(blocked=("a*b",)))
    assert edit(old, "words", blocked_add=["**fox"]).words.blocked == ("**fox", "a*b")
    assert edit(old, "words", blocked_remove=["a*b"]).words.blocked == ()


def test_a_gpu_for_nobody_is_not_open_to_everybody() -> None:
    rules = edit(RULES, "gpus", "A100", gpu_roles=["5"])
    closed = edit(rules, "gpus", "A100", gpu_roles=[])
    assert (
        closed.gpu_roles
        == {"A100": frozenset()}
        == without_missing(rules, SettingsContext(gpus=("A100",))).gpu_roles
    )
    other = edit(closed, "gpus", "T4", gpu_roles=["5"])
    assert other.gpu_roles == {"A100": frozenset(), "T4": {5}}
    assert edit(other, "gpus", "T4", gpu_roles_all=["yes"]) == closed
    assert edit(closed, "gpus", "A100", gpu_roles_all=["yes"]) == RULES
    assert edit(RULES, "gpus", "A100", gpu_roles_all=["no"]) == closed


def test_a_stale_form_is_refused_only_where_somebody_changed_the_same() -> None:
    section = SECTIONS["results"]
    form = submitted(RULES, "results", None, AROUND, spoiler=["always"], private_results=["true"])
    meanwhile = edit(RULES, "results", spoiler=["not_age_restricted"], gallery_channel_id=["100"])
    after, stale = apply_form(section, None, form, meanwhile, AROUND)
    assert codes(stale) == ["changed_meanwhile"]
    assert after == edit(meanwhile, "results", private_results=["true"])
    # The same choice of two moderators is no conflict.
    meanwhile = edit(RULES, "results", spoiler=["always"])
    assert apply_form(section, None, form, meanwhile, AROUND) == (
        edit(meanwhile, "results", private_results=["true"]),
        [],
    )


def test_tidying_takes_out_all_missing_references_and_nothing_else() -> None:
    rules = ServerRules.model_validate(
        {
            "reviewer_role_id": 900,
            "approval": {
                "review_channel_id": 999,
                "exempt_roles": [1, 900],
                "deployments": ["flux", "old"],
                "gpus": ["T4", "GTX"],
            },
            "budgets": {
                "roles": {1: {"at_once": 1}, 900: {"at_once": 1}},
                "gpu_weights": {"T4": 2, "GTX": 3},
            },
            "gpu_roles": {"GTX": [1], "T4": [1, 900]},
            "deployment_roles": {"old": [1], "flux": [900]},
            "gallery_channel_id": 998,
        }
    )
    tidy = without_missing(rules, AROUND)
    assert without_missing(tidy, AROUND) == tidy
    assert tidy == ServerRules.model_validate(
        {
            "approval": {"exempt_roles": [1], "deployments": ["flux"], "gpus": ["T4"]},
            "budgets": {"roles": {1: {"at_once": 1}}, "gpu_weights": {"T4": 2}},
            "gpu_roles": {"T4": [1]},
            "deployment_roles": {"flux": []},
        }
    )


KEYS = {None: None, Names.ROLE: 5, Names.GPU: "A100", Names.DEPLOYMENT: "flux"}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_form_that_was_not_touched_changes_nothing(section: str) -> None:
    assert edit(RULES, section, KEYS[keys_of(SECTIONS[section])]) == RULES


@pytest.mark.parametrize("section", SECTIONS)
@given(data=st.data())
def test_any_input_changes_the_rules_or_is_refused(section: str, data: st.DataObject) -> None:
    key = KEYS[keys_of(SECTIONS[section])]
    values = st.lists(st.text(max_size=20), max_size=1)
    form = {
        field.name: data.draw(values) for field in form_of(SECTIONS[section], key, RULES, AROUND, whole=True)
    }
    after = RULES
    with suppress(InputErrors):
        after, _ = apply_form(SECTIONS[section], key, form, RULES, AROUND)
    assert ServerRules.model_validate(after.model_dump(mode="json")) == after
    assert bool(describe_changes(RULES, after, AROUND)) == (after != RULES)


@pytest.mark.parametrize(
    "form", [{"retention_days::0": ["1"]}, {"x": ["1"]}, {"approval.mode::0": ["off", "selected"]}]
)
def test_a_form_of_another_version_is_refused(form: dict[str, list[str]]) -> None:
    with pytest.raises(RefusedError, match="settings_stale"):
        apply_form(SECTIONS["approval"], None, form, RULES, AROUND)


def test_a_name_comes_back_from_its_custom_id() -> None:
    gpus = ("G" * 50, "A100")
    for name in gpus:
        assert key_of(SECTIONS["gpus"], name, SettingsContext(gpus=gpus)) == name
    with pytest.raises(RefusedError, match="settings_gpu_unknown"):
        key_of(SECTIONS["gpus"], "nothing", AROUND)


def test_a_change_of_a_long_list_is_told_by_what_came_and_went() -> None:
    before = ServerRules(words=Words(blocked=tuple(f"w{n:02}" for n in range(100))))
    after = ServerRules(
        words=Words(blocked=("*new*", *before.words.blocked[1:])), gpu_roles={"A100": frozenset({2, 999})}
    )
    assert describe_changes(before, after, AROUND) == [
        ("The bot's own list", "100 entries", "100 entries: added \\*new\\*; removed w00"),
        ("A100 · Who may use it", "everybody", "<@&2>, a deleted role (`999`)"),
    ]
    assert describe_changes(before, before, AROUND) == []


@pytest.mark.parametrize(
    ("section", "damage"), list(product(ServerRules.model_fields, [None, 7, "x", [], {"a": []}, [["x"]]]))
)
def test_a_damaged_section_never_costs_the_others(section: str, damage: object) -> None:
    whole = {"people": {"account_days": 5}, "spoiler": "always"}
    rules, lost = parse_stored_rules({**whole, section: damage})
    if section != "people":
        assert rules.people.account_days == 5
    if section != "spoiler":
        assert rules.spoiler == "always"
    assert all(place.partition(".")[0] == section for place in lost)
