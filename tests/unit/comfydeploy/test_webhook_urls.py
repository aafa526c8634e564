"""Webhook and ping addresses: only the holder of the secret can make one that verifies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfydeploy import wire
from bot.comfydeploy.wire import WebhookSigner

SECRET = "a secret"
BASE = "https://bot.example/base"
KEYS = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)


def signer(secret: str = SECRET, public_url: str | None = BASE) -> WebhookSigner:
    return WebhookSigner(secret, public_url)


def test_a_webhook_url_carries_the_key_and_its_mac() -> None:
    url = signer().url("abc")
    assert url is not None
    address, _, query = url.partition("?")
    base, key, mac = address.rsplit("/", 2)
    assert (base, key, len(mac), query) == (
        f"{BASE}/webhooks/comfydeploy",
        "abc",
        32,
        "target_events=run.output",
    )
    assert signer().verify(key, mac)


@given(st.text())
def test_no_other_mac_verifies(mac: str) -> None:
    assert signer().verify("abc", mac) is (mac == signer().mac("abc"))


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda mac: mac[:-1],
        lambda mac: mac + "0",
        lambda mac: mac + "\x00",
        lambda mac: mac[::-1],
        lambda mac: "é" * 32,
        lambda mac: "\ud800" * 32,
    ],
)
def test_an_altered_mac_does_not_verify(change: object) -> None:
    assert callable(change)
    assert not signer().verify("abc", change(signer().mac("abc")))


@given(KEYS, KEYS)
def test_a_mac_holds_only_for_its_own_key_and_secret(one: str, other: str) -> None:
    assert signer().verify(other, signer().mac(one)) is (one == other)
    assert not signer("another secret").verify(one, signer().mac(one))


def test_macs_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def recorder(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(wire.hmac, "compare_digest", recorder)
    assert not signer().verify("abc", "0" * 32)
    assert compared == [(signer().mac("abc").encode(), b"0" * 32)]
