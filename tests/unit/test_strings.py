"""Every sentence that users read is short."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from bot.domain import errors
from bot.domain.errors import BackendError
from bot.domain.transitions import DEADLINE, DEADLINE_RUNNING, DEADLINE_UNREADABLE, UNSUCCESSFUL
from bot.strings import SENTENCES

MOST_WORDS = 15
ROOT = Path(__file__).parents[2]


def texts() -> dict[str, str]:
    """Return the sentences by their codes, and those that stand where they are used by their places."""
    return SENTENCES | {
        f"{path.relative_to(ROOT)}:{node.lineno}": written(node)
        for package in (ROOT / "bot" / "ui", ROOT / "cogs")
        for path in package.rglob("*.py")
        for node in shown_strings(ast.parse(path.read_text(encoding="utf-8")))
    }


def shown_strings(module: ast.Module) -> Iterator[ast.JoinedStr | ast.Constant]:
    """Yield the strings of a module that no docstring and no other string contains."""
    hidden = {
        id(each) for node in ast.walk(module) if isinstance(node, ast.JoinedStr) for each in node.values
    }
    hidden |= {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in hidden
        if is_text or isinstance(node, ast.JoinedStr):
            yield node


def written(node: ast.JoinedStr | ast.Constant) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(each.value) if isinstance(each, ast.Constant) else "{value}" for each in node.values)


def test_a_sentence_has_few_words() -> None:
    found = texts()
    assert len(found) > 800
    long = {
        code: sentence
        for code, text in found.items()
        for sentence in re.split(r"(?<=[.!?:;])\s+|\n", text)
        if len(sentence.split()) > MOST_WORDS
    }
    assert not long


SAYS = re.compile(r"say|[A-Z]\w*(?:Error|ForNow)")


def uses(calls: re.Pattern[str] = SAYS) -> Iterator[tuple[str, str, set[str]]]:
    """Yield each place that names a sentence's code, with the code and the names of the parameters given."""
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "cogs").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.func, ast.Name):
                continue
            if not calls.fullmatch(node.func.id):
                continue
            names = {keyword.arg for keyword in node.keywords}
            if None in names:  # `**params`
                continue
            for code in codes(node.args[0]):
                if code in SENTENCES:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", code, {str(name) for name in names}


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
    found = list(uses())
    assert len(found) > 200
    missing = [
        (place, code, left) for place, code, names in found if (left := placeholders(SENTENCES[code]) - names)
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
