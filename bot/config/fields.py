"""Parse the text of each setting. Error messages may quote the text, but never a secret."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, SecretStr

from bot.config.addresses import (
    HIGHEST_PORT,
    IPNetwork,
    base_url,
    database_url,
    host,
    private_network,
    public_url,
)
from bot.config.roles import Role, role_names
from bot.domain.text import excerpt


def integer(low: int, high: int) -> BeforeValidator:
    def parse(value: object) -> object:
        text = str(value).strip()
        if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}, not {excerpt(text)}")
        return int(text)

    return BeforeValidator(parse)


def one_of(*values: str) -> BeforeValidator:
    def parse(given: object) -> object:
        found = [value for value in values if value.lower() == str(given).strip().lower()]
        if not found:
            raise ValueError(f"must be one of {', '.join(values)}, not {excerpt(str(given))}")
        return found[0]

    return BeforeValidator(parse)


def _yes_or_no(value: object) -> object:
    values = {
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
        return values[str(value).strip().lower()]
    except KeyError:
        raise ValueError(f"must be true or false, not {excerpt(str(value))}") from None


def _secret(value: object) -> object:
    if isinstance(value, SecretStr) and not value.get_secret_value():
        return value  # the default; `load_settings` checks whether a role needs it
    text = (value.get_secret_value() if isinstance(value, SecretStr) else str(value)).strip()
    # Refuse what a header can't hold, quotes left by `docker --env-file`, and a placeholder such as <token>.
    if not text or not text.isascii() or any(char in " \"'<>" or not char.isprintable() for char in text):
        raise ValueError(
            "must be one word of ASCII characters, without spaces or quotes, "
            "and without 'Bot' or 'Bearer' before it"
        )
    return text


def long_secret(if_empty: str) -> BeforeValidator:
    """Require at least 16 characters; `if_empty` completes "Leave it empty and …"."""

    def parse(value: object) -> object:
        text = str(value).strip()
        if len(text) < 16:
            raise ValueError(f"must have at least 16 characters. Leave it empty and {if_empty}")
        return text

    return BeforeValidator(parse)


def _uuid(value: object) -> object:
    try:
        return str(UUID(str(value).strip()))
    except ValueError:
        example = "00000000-0000-4000-8000-000000000000"
        raise ValueError(
            f"must be a UUID like {example}, as in the deployment's address, not {excerpt(str(value))}"
        ) from None


def _ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    invalid = [part for part in parts if not _is_id(part)]
    if not parts:
        raise ValueError(f"must be server ids, separated by commas, or empty; {excerpt(value)} contains none")
    if invalid:
        raise ValueError(f"must be server ids, separated by commas; {excerpt(invalid[0])} isn't one")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 2**63


def _roles(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = role_names(value)
    if not names or not names <= set(Role):
        roles = ", ".join(Role)
        raise ValueError(f"must be one or more of {roles}, separated by commas, not {excerpt(value)}")
    return frozenset(Role(name) for name in names)


def _shard_ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    invalid = [part for part in parts if not (part.isascii() and part.isdigit() and len(part) <= 6)]
    if invalid:
        raise ValueError(
            f"must be shard numbers from 0, separated by commas; {excerpt(invalid[0])} isn't one"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


def _private_networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(dict.fromkeys(map(private_network, parts or [value])))


def _database_url(value: object) -> object:
    return database_url(value.get_secret_value() if isinstance(value, SecretStr) else str(value).strip())


Port = Annotated[int, integer(0, HIGHEST_PORT)]
Count = Annotated[int, integer(1, 2**53)]
# One year: larger values are typing mistakes, and much larger ones overflow datetime.
Seconds = Annotated[int, integer(1, 366 * 24 * 3600)]
# At least the pause of the worker that refreshes the deployments.
RefreshSeconds = Annotated[int, integer(15, 366 * 24 * 3600)]
Ids = Annotated[tuple[int, ...], BeforeValidator(_ids)]
OptionalIds = Annotated[tuple[int, ...] | None, BeforeValidator(_ids)]
ShardIds = Annotated[tuple[int, ...], BeforeValidator(_shard_ids)]
PrivateNetworks = Annotated[tuple[IPNetwork, ...], BeforeValidator(_private_networks)]
Roles = Annotated[frozenset[Role], BeforeValidator(_roles)]
ShardCount = Annotated[int, integer(1, 100_000)]
PoolSize = Annotated[int, integer(2, 1000)]
Flag = Annotated[bool, BeforeValidator(_yes_or_no)]
Uuid = Annotated[str, BeforeValidator(_uuid)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
WebhookSecret = Annotated[SecretStr, long_secret("the bot makes one")]
MetricsToken = Annotated[SecretStr, long_secret("only this machine may read /metrics")]
Host = Annotated[str, BeforeValidator(host)]
BaseUrl = Annotated[str, BeforeValidator(base_url)]
PublicUrl = Annotated[str, BeforeValidator(public_url)]
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]
