"""The types of the settings. Their messages follow a setting's name and never quote its value."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bot.config.addresses import IPNetwork, base_url, database_url, host, private_network, public_url
from bot.config.roles import Role


def _parts(value: object) -> object:
    """Split a list at its commas."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def _lower_parts(value: object) -> object:
    return _parts(value.lower()) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _word(value: SecretStr) -> SecretStr:
    """Refuse what a header can't hold, quotes left by `docker --env-file`, and a placeholder like <token>."""
    text = value.get_secret_value()
    if not text.isascii() or any(char in " \"'<>" or not char.isprintable() for char in text):
        raise ValueError(
            "must be one word of ASCII characters, without spaces or quotes, "
            "and without 'Bot' or 'Bearer' before it"
        )
    return value


def _long(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 16:
        raise ValueError("must have at least 16 characters")
    return value


def _url_of_database(value: SecretStr) -> SecretStr:
    database_url(value.get_secret_value())
    return value


# One year: larger values are typing mistakes, and much larger ones overflow datetime.
_YEAR = 366 * 24 * 3600
_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1, le=2**53)]
Seconds = Annotated[int, Field(ge=1, le=_YEAR)]
# At least the pause of the worker that refreshes the deployments.
RefreshSeconds = Annotated[int, Field(ge=15, le=_YEAR)]
Ids = Annotated[tuple[_Id, ...], BeforeValidator(_parts), Field(min_length=1)]
ShardIds = Annotated[tuple[Annotated[int, Field(ge=0, le=999_999)], ...], BeforeValidator(_parts)]
PrivateNetworks = Annotated[
    tuple[Annotated[IPNetwork, BeforeValidator(private_network)], ...], BeforeValidator(_parts)
]
Roles = Annotated[frozenset[Role], BeforeValidator(_lower_parts), Field(min_length=1)]
ShardCount = Annotated[int, Field(ge=1, le=100_000)]
PoolSize = Annotated[int, Field(ge=2, le=1000)]
Secret = Annotated[SecretStr, AfterValidator(_word)]
LongSecret = Annotated[SecretStr, AfterValidator(_long)]
Host = Annotated[str, AfterValidator(host)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
PublicUrl = Annotated[str, AfterValidator(public_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_url_of_database)]
Lower, Upper = BeforeValidator(_lower), BeforeValidator(_upper)
