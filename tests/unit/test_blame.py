"""Every failure names the party that can fix it: the requester, the bot's operator, or ComfyDeploy."""

from __future__ import annotations

from enum import Enum

import pytest

from bot.domain import errors
from bot.domain.errors import BackendError, BackendNotCancellable
from bot.domain.transitions import DEADLINE, DEADLINE_RUNNING, DEADLINE_UNREADABLE, UNSUCCESSFUL
from bot.strings import SENTENCES

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
