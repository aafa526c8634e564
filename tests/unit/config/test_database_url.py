"""An address of the database that the driver would stumble over, told without its password."""

from __future__ import annotations

import pytest
from asyncpg.connect_utils import SessionAttribute, SSLMode

from bot.config.addresses import ALLOWED_VALUES
from tests.unit.config.environment import load, mistakes

HOST = "must have a host's name or an IP address (IPv6 in brackets) after the @."
PORT = "must have a port from 1 to 65535 after the host's colon, or no colon."


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("sqlite+aiosqlite://", "must name a file: sqlite+aiosqlite:///data/bot.db"),
        ("sqlite+aiosqlite://data/bot.db", "must name a file: sqlite+aiosqlite:///data/bot.db"),
        ("sqlite+aiosqlite://:port/bot.db", "must name a file: sqlite+aiosqlite:///data/bot.db"),
        ("sqlite+aiosqlite", "must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://"),
        ("sqlite+aiosqlite:///data/%00.db", "must have no NUL character"),
        ("sqlite+aiosqlite:///:memory:", "must name a file: sqlite+aiosqlite:///data/bot.db"),
        ("sqlite+aiosqlite:///data/bot.db?timeout=x", "takes nothing after a question mark"),
        ("postgresql+asyncpg://bot:hunter2@db/bot?sslmode=require", "such as ?ssl=require"),
        ("postgresql+asyncpg://bot:hunter2@db/bot?application_name=x", "must have no application_name="),
        ("postgresql+asyncpg://bot:hunter2@/bot?host=a,b", "must name one server"),
    ],
)
def test_a_database_that_the_driver_would_stumble_over(url: str, remedy: str) -> None:
    (sentence,) = mistakes(DATABASE_URL=url)
    assert sentence.startswith("DATABASE_URL must ")
    assert remedy in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("my..host/bot", HOST),
        (".host/bot", HOST),
        (f"{'a' * 64}.example.com/bot", HOST),
        ("my host/bot", HOST),
        ("[::1/bot", HOST),
        ("[::1::2]/bot", HOST),
        ("/bot?host=my..host", HOST),
        ("er2@host/bot", HOST),
        ("er2/@host/bot", HOST),
        ("er2:@host/bot", PORT),
        ("host:port/bot", PORT),
        ("host:/bot", PORT),
        ("host:-5/bot", PORT),
        ("host:99999/bot", PORT),
        ("/bot?host=host&port=99999", PORT),
        ("/bot?host=a:5432&host=b:99999", PORT),
    ],
)
def test_a_host_or_a_port_that_cant_be_is_named_with_the_likely_cause(place: str, told: str) -> None:
    (sentence,) = mistakes(DATABASE_URL=f"postgresql+asyncpg://bot:hunt@{place}")
    assert sentence.startswith(f"DATABASE_URL {told} ")
    assert sentence.endswith("percent-encoded: @ is %40, / is %2F, # is %23.")
    assert "hunt" not in sentence
    assert "er2" not in sentence


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
def test_places_that_a_database_may_have(user: str, place: str) -> None:
    url = f"postgresql+asyncpg://{user}:pa%40ss@{place}"
    assert load(DATABASE_URL=url).database_url.get_secret_value() == url


@pytest.mark.parametrize("option", list(ALLOWED_VALUES))
def test_a_word_that_the_driver_does_not_know(option: str) -> None:
    found = mistakes(DATABASE_URL=f"postgresql+asyncpg://bot:hunter2@host/bot?{option}=foo")
    assert found == (f"DATABASE_URL must have one of {', '.join(ALLOWED_VALUES[option])} after {option}=.",)


def test_the_words_are_the_drivers() -> None:
    assert set(ALLOWED_VALUES["ssl"]) == {mode.name.replace("_", "-") for mode in SSLMode}
    assert set(ALLOWED_VALUES["target_session_attrs"]) == {attribute.value for attribute in SessionAttribute}
