"""Edits of a server's rules: accepted and refused values, and that nothing else changes."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import BotError, InputError, InputErrors, RefusedError
from bot.domain.settings.fields import ACTIONS, FIELDS, change
from bot.domain.settings.forms import FORMS
from bot.domain.settings.missing_references import MissingReferences, missing_references
from bot.domain.settings.rules_and_defaults import (
    Approval,
    ApprovalMode,
    Budget,
    RoleBudget,
    ServerRules,
    Words,
    diff_rules,
    parse_stored_rules,
)
from bot.domain.settings.values import SettingsContext

AROUND = SettingsContext(
    server="Studio",
    role_ids=frozenset(range(1, 40)),
    channel_ids=frozenset({100, 101}),
    deployments={"flux": "Flux", "ltx": "LTX"},
    gpus=("T4", "A100"),
)
RULES = ServerRules()


def edit(rules: ServerRules, field: str, *values: str, arg: str = "") -> ServerRules:
    return change(rules, field, arg, values, AROUND)


def refused(field: str, *values: str, arg: str = "", rules: ServerRules = RULES) -> BotError:
    with pytest.raises((InputError, RefusedError)) as caught:
        edit(rules, field, *values, arg=arg)
    return caught.value


@pytest.mark.parametrize(
    ("field", "lowest", "highest"), [("approval.hours", 1, 336), ("record.retention", 1, 3650)]
)
def test_a_number_is_taken_to_its_limits_and_not_beyond(field: str, lowest: int, highest: int) -> None:
    for number in (lowest, highest):
        assert edit(RULES, field, str(number)) == edit(RULES, field, f" {number:,} ")
    below, above = refused(field, str(lowest - 1)), refused(field, str(highest + 1))
    assert (below.code, below.params["limit"]) == ("settings_too_small", lowest)
    assert (above.code, above.params["limit"]) == ("settings_too_large", highest)
    assert refused(field, "").code == "settings_number_needed"
    for text in ("x", "1.5", "1.000", "1e3", "--1", "0x10"):
        assert refused(field, text).code == "settings_not_integer"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "settings_not_number") for text in ("nan", "inf", "-inf", "many", "1.2.3")),
        *((text, "settings_not_above") for text in ("0", "-1")),
        *((text, "settings_too_large") for text in ("100.1", "999")),
    ],
)
def test_a_weight_is_a_number_within_its_limits(text: str, code: str) -> None:
    refusal = refused("budgets.weight", text, arg="A100")
    assert (refusal.code, refusal.params["value"]) == (code, text)


def test_a_weight_of_one_or_nothing_is_none() -> None:
    for typed in ("2,5", "\uff12.\uff15"):
        heavy = edit(RULES, "budgets.weight", typed, arg="A100")
        assert heavy.budgets.gpu_weights == {"A100": 2.5}
    for text in ("1", "1.0", ""):
        assert edit(heavy, "budgets.weight", text, arg="A100") == RULES


def test_an_empty_box_of_a_budget_means_no_limit() -> None:
    assert edit(RULES, "budgets.person", "", " ", "20", "").budgets.person == Budget(
        at_once=None, waiting=None, runs_a_day=20
    )
    assert refused("budgets.person", "0", "", "", "").code == "settings_too_small"
    assert refused("budgets.server", "", "", "", "1000001").code == "settings_too_large"


@pytest.mark.parametrize(
    ("field", "typed", "mistakes"),
    [
        (
            "budgets.person",
            ("0", "x", "1,000,001", ""),
            [
                ("at_once", "settings_too_small", "0"),
                ("waiting", "settings_not_integer", "x"),
                ("runs_a_day", "settings_too_large", "1000001"),
            ],
        ),
        (
            "budgets.server",
            ("", "", "2", "-1"),
            [("gpu_seconds_a_day", "settings_too_small", "-1")],
        ),
        (
            "budgets.role",
            ("1.5", "2", "many"),
            [
                ("at_once", "settings_not_integer", "1.5"),
                ("gpu_seconds_a_day", "settings_not_integer", "many"),
            ],
        ),
        (
            "people.ages",
            ("3651", "-1"),
            [
                ("account_days", "settings_too_large", "3651"),
                ("member_days", "settings_too_small", "-1"),
            ],
        ),
    ],
)
def test_a_form_with_several_boxes_names_the_box_of_every_mistake(
    field: str, typed: tuple[str, ...], mistakes: list[tuple[str, str, str]]
) -> None:
    errors = refused(field, *typed, arg="5")
    assert isinstance(errors, InputErrors)
    found = [(each.params["box"], each.code, each.params["value"]) for each in errors.errors]
    assert found == mistakes


def test_a_role_can_be_unlimited_and_keep_its_own_numbers() -> None:
    rules = edit(RULES, "budgets.role", "6", "", "", arg="5")
    rules = edit(rules, "budgets.unlimited", "5", "6")
    unlimited = {5: RoleBudget(at_once=6, unlimited=True), 6: RoleBudget(unlimited=True)}
    assert rules.budgets.roles == unlimited
    assert edit(rules, "budgets.role", "7", "", "", arg="5").budgets.roles[5].unlimited
    assert edit(rules, "budgets.unlimited").budgets.roles == {5: RoleBudget(at_once=6)}
    # A panel can't show more.
    rules = edit(RULES, "budgets.unlimited", *(str(role) for role in range(1, 26)))
    assert refused("budgets.role", "6", "", "", arg="30", rules=rules).code == "settings_too_many_roles"


def test_approval_can_not_be_on_without_a_channel_that_is_there() -> None:
    assert refused("approval.mode", "everybody").code == "settings_needs_channel"
    stale = ServerRules(approval=Approval(review_channel_id=9))
    assert refused("approval.mode", "everybody", rules=stale).code == "settings_needs_channel"
    on = edit(edit(RULES, "approval.channel", "100"), "approval.mode", "everybody")
    assert on.approval.mode is ApprovalMode.EVERYBODY
    assert refused("approval.channel", rules=on).code == "settings_channel_in_use"
    assert edit(on, "approval.channel", "101").approval.review_channel_id == 101
    assert edit(edit(on, "approval.mode", "off"), "approval.channel").approval.review_channel_id is None


def test_one_page_of_a_long_list_leaves_the_others_alone() -> None:
    context = SettingsContext(deployments={f"d{n}": f"D{n}" for n in range(30)})
    rules = change(RULES, "approval.deployments", "0", ("d0", "d1"), context)
    rules = change(rules, "approval.deployments", "1", ("d29",), context)
    rules = change(rules, "approval.deployments", "0", ("d2",), context)
    assert rules.approval.deployments == {"d2", "d29"}
    with pytest.raises(RefusedError):
        change(rules, "approval.deployments", "1", ("d2",), context)


def test_words_are_kept_once_each_without_spare_space() -> None:
    rules = edit(RULES, "words.list", " red \t fox \n\nbad\nbad\n ")
    assert rules.words.blocked == ("bad", "red fox")
    assert edit(rules, "words.add", "bad\nnew").words.blocked == ("bad", "new", "red fox")
    assert edit(rules, "words.remove", "RED fox").words.blocked == ("bad",)
    gone = refused("words.remove", "fox\nbad\nOwl", rules=rules)
    assert isinstance(gone, InputErrors)
    assert [(each.code, each.params["word"]) for each in gone.errors] == [
        ("settings_word_not_listed", "fox"),
        ("settings_word_not_listed", "Owl"),
    ]
    joined = edit(RULES, "words.list", "क्\u200dष")
    assert joined.words.blocked == ("क्\u200dष",)
    assert edit(joined, "words.remove", "क्ष").words.blocked == ()
    long = refused("words.add", "x" * 61)
    assert (long.code, long.params["limit"]) == ("settings_word_too_long", 60)
    both = refused("words.add", f"{'x' * 61}\nfox\n{'y' * 62}")
    assert isinstance(both, InputErrors)
    assert [str(each.params["word"])[0] for each in both.errors] == ["x", "y"]
    stars = refused("words.list", "*\n* *\na*b\n*fox*\n**")
    assert isinstance(stars, InputErrors)
    assert [(each.code, each.params["word"]) for each in stars.errors] == [
        ("settings_word_only_star", "*"),
        ("settings_word_only_star", "* *"),
        ("settings_word_only_star", "**"),
        ("settings_word_inner_star", "a*b"),
    ]
    every = refused(
        "words.add", "\n".join(["a*b", "z" * 61, f"*y{'*y' * 31}", *(f"w{n}" for n in range(500))])
    )
    assert isinstance(every, InputErrors)
    assert [(each.code, each.params.get("word")) for each in every.errors] == [
        ("settings_word_inner_star", f"*y{'*y' * 18}*…"),
        ("settings_word_inner_star", "a*b"),
        ("settings_word_too_long", f"*y{'*y' * 18}*…"),
        ("settings_word_too_long", f"{'z' * 39}…"),
        ("settings_too_many_words", None),
    ]
    # A list of an earlier version.
    old = ServerRules(words=Words(blocked=("a*b",)))
    assert edit(old, "words.add", "**fox").words.blocked == ("**fox", "a*b")
    assert edit(old, "words.remove", "a*b").words.blocked == ()
    many = refused("words.list", "\n".join(f"w{n}" for n in range(501)))
    assert (many.code, many.params["limit"]) == ("settings_too_many_words", 500)


@pytest.mark.parametrize(
    ("field", "arg"), [("approval.hours", ""), ("budgets.weight", "T4"), ("results.spoiler", "")]
)
def test_a_long_value_is_quoted_as_cut(field: str, arg: str) -> None:
    assert refused(field, "x" * 99, arg=arg).params["value"] == f"{'x' * 39}…"


def test_a_gpu_for_nobody_is_not_open_to_everybody() -> None:
    rules = edit(RULES, "gpus.gpu_roles", "5", arg="A100")
    assert edit(rules, "gpus.gpu_roles", arg="A100") == RULES
    lost = SettingsContext(gpus=AROUND.gpus)
    closed = change(rules, "home.tidy", "", (), lost)
    assert closed.gpu_roles == {"A100": frozenset()}
    other = edit(closed, "gpus.gpu_roles", "5", arg="T4")
    assert other.gpu_roles == {"A100": frozenset(), "T4": {5}}
    assert edit(other, "gpus.gpu_roles", arg="T4") == closed
    assert edit(closed, "gpus.gpu_open", arg="A100") == RULES


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
    assert missing_references(rules, AROUND) == MissingReferences(
        frozenset({900}), frozenset({998, 999}), frozenset({"old"}), frozenset({"GTX"})
    )
    tidy = edit(rules, "home.tidy")
    assert not missing_references(tidy, AROUND)
    assert tidy == ServerRules.model_validate(
        {
            "approval": {"exempt_roles": [1], "deployments": ["flux"], "gpus": ["T4"]},
            "budgets": {"roles": {1: {"at_once": 1}}, "gpu_weights": {"T4": 2}},
            "gpu_roles": {"T4": [1]},
            "deployment_roles": {"flux": []},
        }
    )


def test_every_form_belongs_to_an_edit() -> None:
    assert set(FORMS) <= {*FIELDS, *ACTIONS}
    assert refused("approval.all").code == "settings_stale"
    for field, form in FORMS.items():
        prefilled = form.prefill(RULES, "1")
        assert len(prefilled) == len(form.boxes)
        assert form.stamp(RULES, "1") == form.stamp(ServerRules(), "1")
        if field not in ("words.add", "words.remove"):
            arg = "A100" if field == "budgets.weight" else "1"
            assert edit(RULES, field, *prefilled, arg=arg) == RULES


def attempted(field: str, values: list[str], arg: str) -> ServerRules | str:
    """Return the rules, or the code of the refusal."""
    try:
        return edit(RULES, field, *values, arg=arg)
    except (InputError, RefusedError) as error:
        return error.code


@pytest.mark.parametrize("field", [*FIELDS, *ACTIONS])
@given(values=st.lists(st.text(max_size=20), max_size=5), arg=st.text(max_size=10))
def test_any_input_changes_the_rules_or_is_refused(field: str, values: list[str], arg: str) -> None:
    boxes = len(FORMS[field].boxes) if field in FORMS else len(values)
    given_values = (values + [""] * boxes)[:boxes]
    outcome = attempted(field, given_values, arg)
    if isinstance(outcome, str):
        assert outcome.startswith("settings_")
    else:
        assert ServerRules.model_validate(outcome.model_dump(mode="json")) == outcome


def test_the_record_lists_additions_and_removals() -> None:
    before = ServerRules(words=Words(blocked=tuple(f"w{n}" for n in range(100))))
    after = ServerRules(words=Words(blocked=("w0",)), gpu_roles={"A100": frozenset({2, 1})})
    assert diff_rules(before, after) == {
        "gpu_roles.A100": {"from": None, "to": [1, 2]},
        "words.blocked": {"added": [], "removed": [f"w{n}" for n in range(1, 100)]},
    }
    assert diff_rules(before, before) == {}


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
