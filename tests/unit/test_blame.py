"""Every failure names the party that can fix it: the requester, the bot's operator, or ComfyDeploy."""

from __future__ import annotations

from enum import Enum

import pytest

from bot.comfydeploy.wire import error_from_http
from bot.domain import errors
from bot.domain.errors import BackendError, BackendNotCancellable
from bot.domain.runs import RunState
from bot.domain.transitions import DEADLINE, DEADLINE_RUNNING, DEADLINE_UNREADABLE, UNSUCCESSFUL
from bot.strings import SENTENCES, explain
from tests.unit.comfydeploy.samples import answer
from tests.unit.ui.messages import ended, run, text

# The public sentence about a failure. What may help is in Details.
IN_PUBLIC = "run_failed"


class Party(Enum):
    """A party that can fix a failure, with the words by which a sentence names it."""

    REQUESTER = ("Please change", "inputs may work", "smaller size")
    OPERATOR = ("The bot's operator", "the bot's operator")
    COMFYDEPLOY = ("ComfyDeploy",)


BLAMED = {
    Party.REQUESTER: (
        *("comfy_rejected", "comfy_invalid", "run_timed_out", DEADLINE, DEADLINE_RUNNING),
        *("run_failed_memory", "run_failed_input"),
    ),
    Party.OPERATOR: (
        *("comfy_unauthorized", "comfy_forbidden", "comfy_not_found", "comfy_machine", "comfy_redirected"),
        "comfy_machine_failed",
        *("run_failed_because", "run_failed_unexplained", "run_cancelled", "no_outputs"),
    ),
    Party.COMFYDEPLOY: (
        *("comfy_failed", "comfy_rate_limited", "comfy_unreachable", "comfy_server_error"),
        *("comfy_timeout", "comfy_bad_reply", DEADLINE_UNREADABLE),
    ),
}


@pytest.mark.parametrize(
    ("code", "party"), [(code, party) for party, codes in BLAMED.items() for code in codes]
)
def test_a_failure_names_the_party_that_can_fix_it(code: str, party: Party) -> None:
    assert any(words in SENTENCES[code] for words in party.value)
    assert all(len(sentence.split()) <= 15 for sentence in SENTENCES[code].split(". "))


def test_every_failure_is_in_the_list() -> None:
    codes = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, BackendError)
    }
    codes -= {BackendNotCancellable.code}
    codes |= {f"run_{state}" for state in UNSUCCESSFUL} - {IN_PUBLIC}
    assert codes <= {code for codes in BLAMED.values() for code in codes}


@pytest.mark.parametrize(
    ("name", "party"),
    [
        ("queue_no_auth", Party.OPERATOR),
        ("queue_free_no_credits", Party.OPERATOR),
        ("queue_unknown_deployment", Party.OPERATOR),
        ("queue_bad_gpu", Party.REQUESTER),
        ("queue_machine_down", Party.COMFYDEPLOY),
    ],
)
def test_each_recorded_refusal_names_its_party(name: str, party: Party) -> None:
    status, body = answer(name)
    sentence = explain(error_from_http(status, {}, body))
    assert any(words in sentence for words in party.value)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_the_machines_own_refusal_accuses_neither_key_nor_account_nor_deployment(status: int) -> None:
    sentence = explain(error_from_http(status, {}, b'{"detail": "Error creating run: 401"}'))
    assert sentence.startswith("The machine behind this deployment refused")
    assert not any(word in sentence for word in ("key", "account", "credits", "doesn't know"))


def test_only_a_private_failure_quotes_the_last_error_of_its_log_as_plain_text() -> None:
    log = "Traceback\nValueError: <@1> **loud** `code`\nPrompt executed"
    for private in (True, False):
        (part,) = ended(run(RunState.FAILED, failure_code="run_failed", failure_log=log, private=private))
        assert ("hit an error: “ValueError: \\<\\@1> \\*\\*loud" in text(part)) is private
        assert ("ValueError" in text(part)) is private
