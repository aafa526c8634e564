"""Addresses and hosts that the settings accept. `mistakes_in_addresses.txt` has the others."""

from __future__ import annotations

import pytest

from tests.unit.config.environment import load


@pytest.mark.parametrize("host", ["::", "127.0.0.1", "localhost", "bot_1", "bücher.example", "example.com."])
def test_hosts(host: str) -> None:
    assert load(WEB_HOST=host).web_host == host
    place = f"[{host}]" if ":" in host else host
    assert load(PUBLIC_URL=f"https://{place}:8443/").public_url == f"https://{place}:8443"


@pytest.mark.parametrize(
    "place",
    [
        "db_1:5432/bot",
        "bücher.example/bot",
        "[::1]:5432/bot",
        "/bot?host=/run/postgresql",
        "/bot?host=a:5432&host=b:5433",
        "host/bot?ssl=verify-full&target_session_attrs=read-write",
        "/bot",
    ],
)
@pytest.mark.parametrize("user", ["bot", "bot@server"])
def test_places_of_a_database(user: str, place: str) -> None:
    url = f"postgresql://{user}:pa%40ss@{place}"
    assert load(DATABASE_URL=url).database_url.get_secret_value() == url
