"""What authenticates a webhook is inside its address."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tracking import signing
from bot.tracking.signing import WebhookSigner

SIGNER = WebhookSigner("a secret", "https://bot.example/base")


def test_a_url_carries_the_key_and_a_mac_that_verifies() -> None:
    url = SIGNER.url("abc")
    assert url is not None
    path, _, query = url.removeprefix("https://bot.example/base").partition("?")
    assert query == "target_events=run.output"
    *folders, key, mac = path.split("/")
    assert folders == ["", "webhooks", "comfydeploy"]
    assert (key, len(mac)) == ("abc", 32)
    assert SIGNER.verify(key, mac)


def test_without_a_public_address_there_is_no_webhook() -> None:
    assert WebhookSigner("a secret", None).url("abc") is None


@given(st.text())
def test_no_other_mac_verifies(mac: str) -> None:
    assert SIGNER.verify("abc", mac) is (mac == SIGNER.mac("abc"))


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda m: m[:-1],
        lambda m: m + "0",
        lambda m: m + "\x00",
        lambda m: m[::-1],
        lambda m: "é" * 32,
    ],
)
def test_a_mac_changed_in_any_way_does_not_verify(change: object) -> None:
    assert callable(change)
    assert not SIGNER.verify("abc", change(SIGNER.mac("abc")))


@given(st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True))
def test_a_mac_holds_for_its_own_key_and_secret_only(one: str, other: str) -> None:
    assert SIGNER.verify(other, SIGNER.mac(one)) is (one == other)
    assert not WebhookSigner("another secret", None).verify(one, SIGNER.mac(one))


def test_lone_surrogates_are_no_crash() -> None:
    assert not SIGNER.verify("abc", "\ud800" * 32)


def test_macs_are_compared_in_constant_time() -> None:
    assert signing.hmac.compare_digest is hmac.compare_digest
    assert "compare_digest" in WebhookSigner.verify.__code__.co_names
