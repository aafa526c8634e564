"""Every sentence that code names exists, and gets what it names."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

from bot.domain import errors
from bot.domain.errors import BackendError
from bot.domain.transitions import DEADLINE, DEADLINE_RUNNING, DEADLINE_UNREADABLE, UNSUCCESSFUL
from bot.sentences import SENTENCES

ROOT = Path(__file__).parents[2]


SAYS = re.compile(r"say|[A-Z]\w*(?:Error|ForNow)")


@cache
def uses() -> list[tuple[str, str, set[str]]]:
    """Return each place that names a sentence's code, with the code and the names of the parameters given."""
    found = []
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "cogs").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.func, ast.Name):
                continue
            names = {keyword.arg for keyword in node.keywords}
            if None in names or not SAYS.fullmatch(node.func.id):  # None: `**params`
                continue
            place, given = f"{path.relative_to(ROOT)}:{node.lineno}", {str(name) for name in names}
            found += [(place, code, given) for code in codes(node.args[0]) if code in SENTENCES]
    return found


def codes(argument: ast.expr) -> list[str]:
    if isinstance(argument, ast.IfExp):
        return codes(argument.body) + codes(argument.orelse)
    return [argument.value] if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else []


def placeholders(sentence: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in Formatter().parse(sentence) if name}


# The module whose refusals of a start are recorded.
RULES = "bot/domain/policy.py"
# Raised about an interaction, or outside of servers, which have the audit logs.
NOT_IN_THE_LOG = {"server_only", "not_a_moderator", "private_server_only"}


def test_every_rule_that_refuses_a_start_has_a_name_in_the_audit_log() -> None:
    raised = {code for place, code, _ in uses() if place.startswith(RULES)}
    assert raised > NOT_IN_THE_LOG
    assert {code for code in raised - NOT_IN_THE_LOG if f"rule_{code}" not in SENTENCES} == set()


def test_each_sentence_gets_what_it_names() -> None:
    assert len(uses()) > 200
    missing = [
        (place, code, left)
        for place, code, names in uses()
        if (left := placeholders(SENTENCES[code]) - names)
    ]
    assert not missing


def test_each_failure_of_a_run_has_a_sentence() -> None:
    codes = {
        each.code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, BackendError)
    }
    codes |= {f"run_{state}" for state in UNSUCCESSFUL} | {DEADLINE, DEADLINE_RUNNING, DEADLINE_UNREADABLE}
    assert codes - {BackendError.code} <= set(SENTENCES)
