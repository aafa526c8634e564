"""How one setting's text becomes its value. Errors say what it must be, and show it unless it is secret."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from bot.roles import Role
from bot.settings.database import database_url


def whole(low: int, high: int) -> BeforeValidator:
    span = f"from {low} to {high}" if high < 10**9 else f"of at least {low}"

    def parse(value: object) -> object:
        text = str(value).strip()
        if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
            raise ValueError(f"must be a whole number {span}, not {text!r}")
        return int(text)

    return BeforeValidator(parse)


def one_of(*words: str) -> BeforeValidator:
    def parse(value: object) -> object:
        found = [word for word in words if word.lower() == str(value).strip().lower()]
        if not found:
            raise ValueError(f"must be one of {', '.join(words)}, not {str(value)!r}")
        return found[0]

    return BeforeValidator(parse)


def _yes_or_no(value: object) -> object:
    known = {
        "true": True,
        "yes": True,
        "on": True,
        "1": True,
        "false": False,
        "no": False,
        "off": False,
        "0": False,
    }
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError(f"must be true or false, not {str(value)!r}") from None


def _secret(value: object) -> object:
    if isinstance(value, SecretStr) and not value.get_secret_value():
        return value  # the default; whether one is needed depends on the roles
    text = (value.get_secret_value() if isinstance(value, SecretStr) else str(value)).strip()
    # What can't be in a header, and what `docker --env-file` leaves of "…" and a page of <…>.
    if not text or not text.isascii() or any(char in " \"'<>" or not char.isprintable() for char in text):
        raise ValueError(
            "must be one word of plain letters: without blanks and quotes, "
            "and without 'Bot' or 'Bearer' before it"
        )
    return text


def _long_secret(value: object) -> object:
    text = str(value).strip()
    if len(text) < 16:
        raise ValueError("must have at least 16 characters. Leave it empty and the bot makes one")
    return text


def _uuid(value: object) -> object:
    try:
        return str(UUID(str(value).strip()))
    except ValueError:
        example = "00000000-0000-4000-8000-000000000000"
        raise ValueError(
            f"must be a UUID like {example}, as in the deployment's address, not {value!r}"
        ) from None


def _ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    wrong = [part for part in parts if not (part.isascii() and part.isdigit() and len(part) <= 20)]
    if not parts:
        raise ValueError(f"must be server ids, separated by commas, or empty; {value!r} has none")
    if wrong:
        raise ValueError(f"must be server ids, separated by commas; {wrong[0]!r} is none")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _roles(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = [word.strip().lower() for word in value.split(",") if word.strip()]
    wrong = [word for word in words if word not in list(Role)]
    if wrong or not words:
        known = ", ".join(Role)
        raise ValueError(f"must be one or more of {known}, separated by commas, not {value!r}")
    return frozenset(Role(word) for word in words)


def _shard_ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    wrong = [part for part in parts if not (part.isascii() and part.isdigit() and len(part) <= 6)]
    if wrong:
        raise ValueError(f"must be numbers of shards from 0 on, separated by commas; {wrong[0]!r} is none")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _base_url(value: object) -> object:
    text = str(value).strip()
    try:
        parts = urlsplit(text)
        sound = (
            parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        sound = False
        parts = urlsplit("")
    if not sound or any(char.isspace() for char in text):
        raise ValueError("must be an address that begins with https:// or http://")
    if parts.username or parts.password or "?" in text or "#" in text:
        raise ValueError("must be an address without user name, query (?) or fragment (#)")
    return text.rstrip("/")


def _database_url(value: object) -> object:
    return database_url(value.get_secret_value() if isinstance(value, SecretStr) else str(value).strip())


Port = Annotated[int, whole(0, 65535)]
Count = Annotated[int, whole(1, 2**53)]
# A year: more is a slip of the keyboard, and far more is no date at all.
Seconds = Annotated[int, whole(1, 366 * 24 * 3600)]
Ids = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_ids)]
OptionalIds = Annotated[tuple[int, ...] | None, NoDecode, BeforeValidator(_ids)]
ShardIds = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_shard_ids)]
Roles = Annotated[frozenset[Role], NoDecode, BeforeValidator(_roles)]
ShardCount = Annotated[int, whole(1, 100_000)]
PoolSize = Annotated[int, whole(2, 1000)]
Flag = Annotated[bool, BeforeValidator(_yes_or_no)]
Uuid = Annotated[str, BeforeValidator(_uuid)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
LongSecret = Annotated[SecretStr, BeforeValidator(_long_secret)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]
