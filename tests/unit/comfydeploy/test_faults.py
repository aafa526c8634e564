"""Error answers: each status has its error, and no secret reaches its text."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from bot.comfydeploy.wire import error_from_http, queue_body
from bot.domain import errors
from tests.unit.comfydeploy.samples import answer
from tests.unit.factories import made_run


@pytest.mark.parametrize(
    ("name", "kind", "fields"),
    [
        ("queue_no_auth", errors.BackendUnauthorized, None),
        ("queue_free_no_credits", errors.BackendForbidden, None),
        ("queue_unknown_deployment", errors.BackendNotFound, None),
        ("queue_bad_gpu", errors.BackendInvalid, "gpu"),
        ("queue_bad_uuid", errors.BackendInvalid, "deployment_id"),
        ("queue_machine_down", errors.BackendServerError, None),
        ("deployment_get_unknown", errors.BackendServerError, None),
        ("run_get_unknown", errors.BackendNotFound, None),
    ],
)
def test_each_recorded_refusal_is_its_own_error(
    name: str, kind: type[errors.BackendError], fields: str | None
) -> None:
    status, body = answer(name)
    error = error_from_http(status, {}, body)
    assert type(error) is kind
    assert str(error).startswith(f"{status}: ")
    assert error.params.get("fields") == fields


# The error of each status, whether a run may exist after it, and the error of a status that the machine
# behind a deployment gave.
STATUSES = [
    (302, errors.BackendRedirected, False, errors.BackendRedirected),
    (400, errors.BackendRejected, False, errors.BackendRejected),
    (401, errors.BackendUnauthorized, False, errors.BackendMachineRefused),
    (402, errors.BackendForbidden, False, errors.BackendMachineRefused),
    (403, errors.BackendForbidden, False, errors.BackendMachineRefused),
    (404, errors.BackendNotFound, False, errors.BackendMachineRefused),
    (405, errors.BackendRejected, False, errors.BackendMachineRefused),
    (408, errors.BackendTimeout, True, errors.BackendTimeout),
    (413, errors.BackendRejected, False, errors.BackendMachineRefused),
    (422, errors.BackendInvalid, False, errors.BackendMachineRefused),
    (429, errors.BackendRateLimited, False, errors.BackendMachineRefused),
    (500, errors.BackendServerError, True, errors.BackendServerError),
    (502, errors.BackendServerError, True, errors.BackendServerError),
    (504, errors.BackendServerError, True, errors.BackendServerError),
]
NOT_OF_THE_MACHINE = ('"Not for Error creating run: 401"', '["Error creating run: "]', "Error creating run: ")


@pytest.mark.parametrize(("status", "kind", "accepted", "of_the_machine"), STATUSES)
def test_each_status_has_its_error_which_tells_whether_a_run_may_exist(
    status: int,
    kind: type[errors.BackendError],
    accepted: bool,
    of_the_machine: type[errors.BackendError],
) -> None:
    for call in ("queue", "cancel"):
        error = error_from_http(status, {}, b"why", call=call)
        assert (type(error), error.accepted, str(error)) == (kind, accepted, f"{status}: why")
        assert kind is not errors.BackendServerError or error.params == {"status": status}
    passed = error_from_http(status, {}, b'{"detail": "Error creating run: 401, message=Unauthorized"}')
    assert (type(passed), passed.accepted) == (of_the_machine, accepted)
    for detail in NOT_OF_THE_MACHINE:
        assert type(error_from_http(status, {}, f'{{"detail": {detail}}}'.encode())) is kind


def details(*locs: Any) -> bytes:
    return json.dumps({"detail": [{"loc": loc} for loc in locs]}).encode()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (details(["body", "inputs", "steps", "int"], ["body", "inputs", "steps", "str"]), ("steps",)),
        (details(["body", "inputs", "a"], ["body", "gpu"]), ("a", "gpu")),
        (details(["body", "inputs"]), ("inputs",)),
        (details(["body"], ["body", 51], [], None, "body"), ()),
        (details(["body", "inputs", "k" * 70]), ("k" * 64,)),
        (details(*(["body", "inputs", f"k{n}"] for n in range(50))), tuple(f"k{n}" for n in range(10))),
        *((body, ()) for body in (b"", b"[]", b"{}", b'{"detail": "no"}', b'{"detail": 5}', b"<html>")),
        (b'{"detail": [1, null]}', ()),
    ],
)
def test_a_422_names_the_inputs_that_it_is_about(body: bytes, fields: tuple[str, ...]) -> None:
    error = error_from_http(422, {}, body)
    assert isinstance(error, errors.BackendInvalid)
    assert error.fields == fields


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "Tue, 24 Nov 2026 14:02:44 GMT"}, None),
        ({"Retry-After": "99999999999999"}, 86_400.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_a_429_tells_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    error = error_from_http(429, headers, b"")
    assert isinstance(error, errors.BackendRateLimited)
    assert error.retry_after == seconds


NOT_CANCELLABLE = "no modal function call ID "
WEBHOOK = "bot.example/webhooks/comfydeploy"


def escaped(url: str) -> str:
    return url.replace("/", r"\/")


@pytest.mark.parametrize("prefix", ["", NOT_CANCELLABLE])
@pytest.mark.parametrize(
    ("echo", "secrets", "shown"),
    [
        (f"https://{WEBHOOK}/k3y/MAC?target_events=run.output", (), f"https://{WEBHOOK}/***"),
        (escaped(f"https://{WEBHOOK}/k3y/MAC"), (), escaped(f"https://{WEBHOOK}/") + "***"),
        (quote(f"https://{WEBHOOK}/k3y/MAC", ""), (), quote(f"https://{WEBHOOK}/", "") + "***"),
        ("Authorization: Bearer MAC", (), "Authorization: Bearer ***"),
        ("key MAC is not valid", ("other", "MAC"), "key *** is not valid"),
        ("nothing to hide", ("",), "nothing to hide"),
        (b"\xff no UTF-8", (), "\ufffd no UTF-8"),
    ],
)
def test_an_answer_is_quoted_without_secrets(
    echo: str | bytes, secrets: tuple[str, ...], shown: str, prefix: str
) -> None:
    body = prefix.encode() + (echo if isinstance(echo, bytes) else echo.encode()) + b" the reason"
    told = f"500: {prefix}{shown} the reason"
    assert str(error_from_http(500, {}, body, call="cancel", secrets=secrets)) == told
    assert str(error_from_http(500, {}, body, secrets=secrets)) == told


@pytest.mark.parametrize("padding", range(440, 520, 7))
def test_cutting_a_long_answer_leaves_no_part_of_a_secret(padding: int) -> None:
    text = str(error_from_http(500, {}, b"x" * padding + b" Bearer ABCDEFGHIJKLMNOP", secrets=()))
    assert "ABC" not in text
    assert len(text) <= 505


def test_the_queue_call_has_the_documented_body() -> None:
    plain = made_run(key="k", deployment_id="d", inputs={"a": 1}, gpu=None)
    assert queue_body(plain, None) == {"deployment_id": "d", "inputs": {"a": 1}}
    full = made_run(key="k", deployment_id="d", inputs={}, gpu="A100-80GB")
    assert queue_body(full, "https://x/secret") == {
        "deployment_id": "d",
        "inputs": {},
        "webhook": "https://x/secret",
        "webhook_intermediate_status": True,
        "gpu": "A100-80GB",
    }
