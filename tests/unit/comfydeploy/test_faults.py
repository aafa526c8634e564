"""Error answers: each status has its error, and no secret reaches its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.comfydeploy.wire import (
    WireError,
    call_name,
    error_from_cancel,
    error_from_http,
    parse_queue_reply,
    parse_upload_reply,
    queue_body,
)
from bot.domain.backend import NewRun
from bot.domain.errors import (
    BackendError,
    BackendForbidden,
    BackendInvalid,
    BackendMachineRefused,
    BackendNotCancellable,
    BackendNotFound,
    BackendRateLimited,
    BackendRedirected,
    BackendRejected,
    BackendServerError,
    BackendTimeout,
    BackendUnauthorized,
)
from tests.unit.comfydeploy.samples import answer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("queue_no_auth", BackendUnauthorized),
        ("queue_free_no_credits", BackendForbidden),
        ("queue_unknown_deployment", BackendNotFound),
        ("queue_bad_gpu", BackendInvalid),
        ("queue_bad_uuid", BackendInvalid),
        ("queue_machine_down", BackendServerError),
        ("deployment_get_unknown", BackendServerError),
        ("run_get_unknown", BackendNotFound),
    ],
)
def test_each_recorded_refusal_is_its_own_error(name: str, kind: type[BackendError]) -> None:
    status, body = answer(name)
    error = error_from_http(status, {}, body)
    assert type(error) is kind
    assert str(error).startswith(f"{status}: ")


@pytest.mark.parametrize(("name", "field"), [("queue_bad_gpu", "gpu"), ("queue_bad_uuid", "deployment_id")])
def test_a_recorded_422_names_its_field(name: str, field: str) -> None:
    status, body = answer(name)
    assert error_from_http(status, {}, body).params["fields"] == field


def test_the_recorded_cancel_of_an_unknown_run_is_not_cancellable() -> None:
    status, body = answer("run_cancel_unknown")
    assert type(error_from_cancel(status, {}, body)) is BackendNotCancellable
    assert type(error_from_cancel(502, {}, body)) is BackendServerError
    assert type(error_from_cancel(500, {}, b'{"detail": "Error cancel function boom"}')) is BackendServerError
    assert type(error_from_http(status, {}, body)) is BackendServerError


@pytest.mark.parametrize(
    ("status", "kind", "accepted"),
    [
        (302, BackendRedirected, False),
        (400, BackendRejected, False),
        (402, BackendForbidden, False),
        (405, BackendRejected, False),
        (408, BackendTimeout, True),
        (413, BackendRejected, False),
        (422, BackendInvalid, False),
        (429, BackendRateLimited, False),
        (500, BackendServerError, True),
        (502, BackendServerError, True),
        (504, BackendServerError, True),
    ],
)
def test_each_status_has_its_error_which_tells_whether_a_run_may_exist(
    status: int, kind: type[BackendError], accepted: bool
) -> None:
    for error in (error_from_http(status, {}, b"why"), error_from_cancel(status, {}, b"why")):
        assert type(error) is kind
        assert error.accepted is accepted
        assert str(error) == f"{status}: why"


def test_a_server_error_carries_its_status() -> None:
    assert error_from_http(503, {}, b"").params == {"status": 503}


@pytest.mark.parametrize(
    ("locs", "fields"),
    [
        ([["body", "inputs", "steps", "int"], ["body", "inputs", "steps", "str"]], ("steps",)),
        ([["body", "inputs", "a"], ["body", "gpu"]], ("a", "gpu")),
        ([["body", "inputs"]], ("inputs",)),
        ([["body"], ["body", 51], [], None, "body"], ()),
        ([["body", "inputs", "k" * 70]], ("k" * 64,)),
        ([["body", "inputs", f"k{n}"] for n in range(50)], tuple(f"k{n}" for n in range(10))),
    ],
)
def test_a_422_names_the_inputs_it_is_about(locs: list[Any], fields: tuple[str, ...]) -> None:
    error = error_from_http(422, {}, json.dumps({"detail": [{"loc": loc} for loc in locs]}).encode())
    assert isinstance(error, BackendInvalid)
    assert error.fields == fields


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"detail": "no"}', b'{"detail": 5}', b'{"detail": [1, null]}', b"<html>"]
)
def test_a_422_that_names_nothing_has_no_fields(body: bytes) -> None:
    error = error_from_http(422, {}, body)
    assert isinstance(error, BackendInvalid)
    assert error.fields == ()


DATE = "Tue, 24 Nov 2026 14:02:14 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "Tue, 24 Nov 2026 14:02:44 GMT", "Date": DATE}, 30.0),
        ({"Retry-After": "Tue, 24 Nov 2026 14:00:00 GMT", "Date": DATE}, 0.0),
        ({"Retry-After": "Tue, 24 Nov 2026 14:02:44 GMT"}, None),
        ({"Retry-After": "99999999999999"}, 86_400.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon", "Date": DATE}, None),
        ({}, None),
    ],
)
def test_a_429_tells_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    error = error_from_http(429, headers, b"")
    assert isinstance(error, BackendRateLimited)
    assert error.retry_after == seconds


NOT_CANCELLABLE = "no modal function call ID "


@pytest.mark.parametrize("prefix", ["", NOT_CANCELLABLE])
@pytest.mark.parametrize(
    ("echo", "secrets", "shown"),
    [
        (
            "https://bot.example/webhooks/comfydeploy/k3y/MAC?target_events=run.output",
            (),
            "https://bot.example/webhooks/comfydeploy/***",
        ),
        (
            r"https:\/\/bot.example\/webhooks\/comfydeploy\/k3y\/MAC",
            (),
            r"https:\/\/bot.example\/webhooks\/comfydeploy\/***",
        ),
        (
            "https%3A%2F%2Fbot.example%2Fwebhooks%2Fcomfydeploy%2Fk3y%2FMAC",
            (),
            "https%3A%2F%2Fbot.example%2Fwebhooks%2Fcomfydeploy%2F***",
        ),
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
    assert str(error_from_cancel(500, {}, body, secrets=secrets)) == told
    assert str(error_from_http(500, {}, body, secrets=secrets)) == told


@pytest.mark.parametrize("padding", range(440, 520, 7))
def test_cutting_a_long_answer_leaves_no_part_of_a_secret(padding: int) -> None:
    text = str(error_from_http(500, {}, b"x" * padding + b" Bearer ABCDEFGHIJKLMNOP", secrets=()))
    assert "ABC" not in text
    assert len(text) <= 505


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/api/run/deployment/queue", "queue"),
        ("/api/run/0b9b1c8e-0000-4000-8000-000000000000", "run"),
        ("/api/run/0b9b1c8e-0000-4000-8000-000000000000/cancel", "cancel"),
        ("/api/deployment/0b9b1c8e-0000-4000-8000-000000000000", "deployment"),
        ("/api/deployments", "deployment"),
        ("/api/v2/clickhouse-run-logs/0b9b1c8e-0000-4000-8000-000000000000", "log"),
        ("/comfy/api/file/upload", "upload"),
        ("/", "other"),
    ],
)
def test_a_call_is_known_by_its_path(path: str, call: str) -> None:
    assert call_name(path) == call


def test_the_queue_call_has_the_documented_body() -> None:
    plain = NewRun(key="k", deployment_id="d", inputs={"a": 1})
    assert queue_body(plain, None) == {"deployment_id": "d", "inputs": {"a": 1}}
    full = NewRun(key="k", deployment_id="d", inputs={}, gpu="A100-80GB")
    assert queue_body(full, "https://x/secret") == {
        "deployment_id": "d",
        "inputs": {},
        "webhook": "https://x/secret",
        "webhook_intermediate_status": True,
        "gpu": "A100-80GB",
    }


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"run_id": null}', b'{"run_id": "../x"}', b"[1]", b"Internal"]
)
def test_a_queue_reply_without_a_run_id_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError):
        parse_queue_reply(body)


@pytest.mark.parametrize("url", ["https://files.example/a.png", "http://127.0.0.1:9000/a.png"])
def test_an_upload_reply_gives_the_files_address(url: str) -> None:
    assert parse_upload_reply(json.dumps({"file_url": url}).encode()) == url


@pytest.mark.parametrize("body", [b"{}", b'{"file_url": 3}', b'{"file_url": "javascript:x"}', b"["])
def test_an_upload_reply_without_an_address_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError):
        parse_upload_reply(body)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 422, 429])
def test_what_the_machine_answered_is_not_blamed_on_the_key_or_the_deployment(status: int) -> None:
    passed = error_from_http(status, {}, b'{"detail": "Error creating run: 401, message=Unauthorized"}')
    assert type(passed) is BackendMachineRefused
    assert not passed.accepted
    own = error_from_http(status, {}, b'{"detail": "Not for Error creating run: 401"}')
    assert type(own) is not BackendMachineRefused
    for body in (b'{"detail": ["Error creating run: "]}', b"Error creating run: ", b"[]"):
        assert type(error_from_http(status, {}, body)) is type(error_from_http(status, {}, b""))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BackendRejected), (408, BackendTimeout), (500, BackendServerError), (502, BackendServerError)],
)
def test_a_passed_through_answer_after_which_a_run_may_exist_keeps_its_error(
    status: int, kind: type[BackendError]
) -> None:
    assert type(error_from_http(status, {}, b'{"detail": "Error creating run: boom"}')) is kind
