"""Webhook addresses: only the holder of the secret can make one that verifies."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.comfydeploy import wire
from bot.comfydeploy.wire import WebhookSigner

SIGNER = WebhookSigner("a secret", "https://bot.example/base")
OTHER = WebhookSigner("another secret", "https://bot.example/base")
MAC = SIGNER.mac("abc")
KEYS = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)


def test_a_webhook_url_carries_the_key_and_its_mac() -> None:
    url = f"https://bot.example/base/webhooks/comfydeploy/abc/{MAC}?target_events=run.output"
    assert (SIGNER.url("abc"), len(MAC)) == (url, 32)


@given(st.text())
@example(MAC.upper())
@example(MAC[:-1])
@example(f"{MAC}0")
@example(f"{MAC}\x00")
@example("é" * 32)
@example("\ud800" * 32)
def test_no_other_mac_verifies(mac: str) -> None:
    assert SIGNER.verify("abc", mac) is (mac == MAC)


@given(KEYS, KEYS)
def test_a_mac_holds_only_for_its_own_key_and_secret(one: str, other: str) -> None:
    assert SIGNER.verify(other, SIGNER.mac(one)) is (one == other)
    assert not OTHER.verify(one, SIGNER.mac(one))


def test_macs_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(wire.hmac, "compare_digest", lambda *both: compared.append(both))
    assert not SIGNER.verify("abc", "0" * 32)
    assert compared == [(MAC.encode(), b"0" * 32)]
