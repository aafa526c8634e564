"""Whether DATABASE_URL is an address that the drivers take. Never shows it: a password stands in it."""

from __future__ import annotations

from importlib.util import find_spec

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_SQLITE, _POSTGRES = "sqlite+aiosqlite", "postgresql+asyncpg"
# What may follow the question mark; anything else the driver meets with a TypeError.
_OPTIONS = ("ssl", "host", "port", "passfile", "service", "servicefile", "target_session_attrs")


def database_url(text: str) -> str:
    """`text`, or a ValueError that says what it must be."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = URL.create("none")
    if url.drivername == _SQLITE:
        _check_file(url)
    elif url.drivername == _POSTGRES:
        _check_server(url)
    else:
        raise ValueError(f"must begin with {_SQLITE}:/// or {_POSTGRES}://")
    return text


def _check_file(url: URL) -> None:
    if url.host is not None or not url.database or url.database == ":memory:":
        raise ValueError(
            f"must name a file: {_SQLITE}:///data/bot.db, or with a fourth slash from the root, "
            f"{_SQLITE}:////data/bot.db"
        )
    if url.query:
        raise ValueError(f"must end with the file's name: {_SQLITE} takes nothing after a question mark")


def _check_server(url: URL) -> None:
    if find_spec("asyncpg") is None:
        raise ValueError("needs the PostgreSQL driver: pip install asyncpg")
    unknown = [name for name in url.query if name not in _OPTIONS]
    if "sslmode" in unknown:
        raise ValueError("must have ssl= where other programs have sslmode=, such as ?ssl=require")
    if unknown:
        raise ValueError(
            f"must have no {unknown[0]}= after the question mark; it can be {', '.join(_OPTIONS)}"
        )
    try:
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"must name one server: {_POSTGRES}://user:password@host/name") from None
