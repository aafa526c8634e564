"""Error answers: each status has its error, and no secret reaches its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.comfydeploy.wire import (
    QueueCall,
    WireError,
    error_from_cancel,
    error_from_http,
    parse_queue_reply,
    parse_upload_reply,
)
from bot.domain.errors import (
    ComfyError,
    ComfyForbidden,
    ComfyInvalid,
    ComfyNotCancellable,
    ComfyNotFound,
    ComfyRateLimited,
    ComfyRedirected,
    ComfyRejected,
    ComfyServerError,
    ComfyTimeout,
    ComfyUnauthorized,
)
from tests.unit.comfy.samples import answer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("queue_no_auth", ComfyUnauthorized),
        ("queue_free_no_credits", ComfyForbidden),
        ("queue_unknown_deployment", ComfyNotFound),
        ("queue_bad_gpu", ComfyInvalid),
        ("queue_bad_uuid", ComfyInvalid),
        ("queue_machine_down", ComfyServerError),
        ("deployment_get_unknown", ComfyServerError),
        ("run_get_unknown", ComfyNotFound),
    ],
)
def test_each_recorded_refusal_is_its_own_error(name: str, kind: type[ComfyError]) -> None:
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
    assert type(error_from_cancel(status, {}, body)) is ComfyNotCancellable
    assert type(error_from_cancel(502, {}, body)) is ComfyServerError
    assert type(error_from_cancel(500, {}, b'{"detail": "Error cancel function boom"}')) is ComfyServerError
    assert type(error_from_http(status, {}, body)) is ComfyServerError


@pytest.mark.parametrize(
    ("status", "kind", "accepted"),
    [
        (302, ComfyRedirected, False),
        (400, ComfyRejected, False),
        (402, ComfyForbidden, False),
        (405, ComfyRejected, False),
        (408, ComfyTimeout, True),
        (413, ComfyRejected, False),
        (422, ComfyInvalid, False),
        (429, ComfyRateLimited, False),
        (500, ComfyServerError, True),
        (502, ComfyServerError, True),
        (504, ComfyServerError, True),
    ],
)
def test_each_status_has_its_error_which_tells_whether_a_run_may_exist(
    status: int, kind: type[ComfyError], accepted: bool
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
    assert isinstance(error, ComfyInvalid)
    assert error.fields == fields


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"detail": "no"}', b'{"detail": 5}', b'{"detail": [1, null]}', b"<html>"]
)
def test_a_422_that_names_nothing_has_no_fields(body: bytes) -> None:
    error = error_from_http(422, {}, body)
    assert isinstance(error, ComfyInvalid)
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
    assert isinstance(error, ComfyRateLimited)
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


def test_the_queue_call_has_the_documented_body() -> None:
    plain = QueueCall(deployment_id="d", inputs={"a": 1})
    assert plain.body() == {"deployment_id": "d", "inputs": {"a": 1}}
    full = QueueCall(deployment_id="d", inputs={}, webhook="https://x/secret", gpu="A100-80GB")
    assert full.body() == {
        "deployment_id": "d",
        "inputs": {},
        "webhook": "https://x/secret",
        "webhook_intermediate_status": True,
        "gpu": "A100-80GB",
    }
    assert "secret" not in repr(full)


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
