"""The types of the settings. Their messages follow a setting's name and never quote its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bot.config.addresses import IPNetwork, base_url, database_url, is_host, private_network, public_url
from bot.config.roles import Role
from bot.domain.mistakes import that


def _parts(value: object) -> object:
    """Split a list at its commas."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def _is_word(value: SecretStr) -> bool:
    """Refuse what a header can't hold, quotes left by `docker --env-file`, and a placeholder like <token>."""
    text = value.get_secret_value()
    return text.isascii() and all(char.isprintable() and char not in " \"'<>" for char in text)


def _cased(change: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


Lower, Upper = _cased(str.lower), _cased(str.upper)
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
Roles = Annotated[frozenset[Role], BeforeValidator(_parts), Lower, Field(min_length=1)]
ShardCount = Annotated[int, Field(ge=1, le=100_000)]
PoolSize = Annotated[int, Field(ge=2, le=1000)]
Secret = Annotated[
    SecretStr,
    that(
        _is_word,
        "must be one word of ASCII characters, without spaces or quotes, "
        "and without 'Bot' or 'Bearer' before it",
    ),
]
LongSecret = Annotated[
    SecretStr, that(lambda value: len(value.get_secret_value()) >= 16, "must have at least 16 characters")
]
Host = Annotated[str, that(is_host, "must be a host's name or an IP address")]
BaseUrl = Annotated[str, AfterValidator(base_url)]
PublicUrl = Annotated[str, AfterValidator(public_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(database_url)]
