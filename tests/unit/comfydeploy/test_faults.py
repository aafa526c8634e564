"""Error answers: each status has its error, and no secret reaches its text."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from bot.comfydeploy.wire import error_from_http
from bot.domain import errors
from tests.unit.comfydeploy.samples import answer

Kind = type[errors.BackendError]
# The error of each status, and whether a run may exist after it.
STATUSES: dict[int, tuple[Kind, bool]] = {
    302: (errors.BackendRedirected, False),
    400: (errors.BackendRefused, False),
    401: (errors.BackendUnauthorized, False),
    402: (errors.BackendForbidden, False),
    403: (errors.BackendForbidden, False),
    404: (errors.BackendNotFound, False),
    405: (errors.BackendRefused, False),
    408: (errors.BackendTimeout, True),
    422: (errors.BackendRefused, False),
    429: (errors.BackendRateLimited, False),
    500: (errors.BackendServerError, True),
    504: (errors.BackendServerError, True),
}
NOT_OF_THE_MACHINE = ('"Not for Error creating run: 401"', '["Error creating run: "]', "Error creating run: ")


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_has_its_error_which_tells_whether_a_run_may_exist(status: int) -> None:
    kind, accepted = STATUSES[status]
    for call in ("queue", "cancel"):
        error = error_from_http(status, {}, b"why", call=call)
        assert (type(error), error.accepted, str(error)) == (kind, accepted, f"{status}: why")
        assert kind is not errors.BackendServerError or error.params == {"status": status}
    crashed = error_from_http(500, {}, b"why", call="deployment")
    assert (type(crashed), str(crashed)) == (errors.BackendCrashed, "500: why")
    assert crashed.params == {"status": 500}
    for detail in NOT_OF_THE_MACHINE:
        assert type(error_from_http(status, {}, f'{{"detail": {detail}}}'.encode())) is kind
    by_machine = error_from_http(status, {}, b'{"detail": "Error creating run: 401, message=Unauthorized"}')
    is_refused = status in (401, 402, 403, 404, 405, 422, 429)
    assert type(by_machine) is (errors.BackendRefused if is_refused else kind)
    assert (by_machine.code == "comfy_machine") is is_refused
    assert str(by_machine).startswith(f'{status}: {{"detail"')


def details(*locs: Any) -> bytes:
    return json.dumps({"detail": [{"loc": loc} for loc in locs]}).encode()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (answer("queue_bad_gpu")[1], ("gpu",)),
        (answer("queue_bad_uuid")[1], ("deployment_id",)),
        (details(["body", "inputs", "steps", "int"], ["body", "inputs", "steps", "str"]), ("steps",)),
        (details(["body", "inputs", "a"], ["body", "gpu"]), ("a", "gpu")),
        (details(["body", "inputs"], ["body"], ["body", 51], [], None, "body"), ("inputs",)),
        (details(["body", "inputs", "k" * 70]), ("k" * 64,)),
        (details(*(["body", "inputs", f"k{n}"] for n in range(50))), tuple(f"k{n}" for n in range(10))),
        *((body, ()) for body in (b"", b"[]", b'{"detail": "no"}', b'{"detail": [1, null]}')),
    ],
    ids=range(11),
)
def test_a_422_names_the_inputs_that_it_is_about(body: bytes, fields: tuple[str, ...]) -> None:
    error = error_from_http(422, {}, body)
    assert error.params == {"fields": ", ".join(fields)}
    assert error.code == ("comfy_invalid" if fields else "comfy_invalid_unnamed")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        *(({"Retry-After": odd}, None) for odd in ("Tue, 24 Nov 2026 14:02:44 GMT", "-1", "nan")),
        ({}, None),
    ],
)
def test_a_429_tells_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    error = error_from_http(429, headers, b"")
    assert isinstance(error, errors.BackendRateLimited)
    assert error.retry_after == seconds


WEBHOOK = "https://bot.example/webhooks/comfydeploy/"


@pytest.mark.parametrize("prefix", ["", "no modal function call ID "])
@pytest.mark.parametrize(
    ("echo", "secrets", "shown"),
    [
        (f"{WEBHOOK}k3y/MAC?target_events=run.output", (), f"{WEBHOOK}***"),
        (f"{WEBHOOK}k3y/MAC".replace("/", r"\/"), (), WEBHOOK.replace("/", r"\/") + "***"),
        (quote(f"{WEBHOOK}k3y/MAC", ""), (), quote(WEBHOOK, "") + "***"),
        ("Authorization: Bearer MAC", (), "Authorization: Bearer ***"),
        ("key MAC is not valid", ("other", "MAC"), "key *** is not valid"),
        ("nothing to hide", ("",), "nothing to hide"),
        ("\udcff no UTF-8", (), "\ufffd no UTF-8"),
    ],
)
def test_an_answer_is_quoted_without_secrets(
    echo: str, secrets: tuple[str, ...], shown: str, prefix: str
) -> None:
    body = f"{prefix}{echo} the reason".encode(errors="surrogateescape")
    for call in ("cancel", "queue"):
        told = str(error_from_http(500, {}, body, call=call, secrets=secrets))
        assert told == f"500: {prefix}{shown} the reason"


@pytest.mark.parametrize("padding", range(440, 520, 7))
def test_cutting_a_long_answer_leaves_no_part_of_a_secret(padding: int) -> None:
    text = str(error_from_http(500, {}, b"x" * padding + b" Bearer ABCDEFGHIJKLMNOP", secrets=()))
    assert "ABC" not in text
    assert len(text) <= 505
