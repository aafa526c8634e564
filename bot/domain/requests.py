"""What a person asked for, once everything about it has been checked. Knows no Discord and no database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bot.domain.rules import ServerRules
from bot.domain.runs import InputValue

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # base32
_KEY_LENGTH = 16


def new_key() -> str:
    """A run key: 16 characters, 80 bits, safe in URLs, nonces, custom_ids and file names.

    Discord's nonce holds 25 characters, of which `-{purpose}{part}` needs the rest.
    """
    return "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_LENGTH))


class Origin(BaseModel):
    """Where a request came from and how it can be answered there.

    `age_restricted` is Discord's mark on the channel; `upload_limit` in bytes holds for the bot's own posts;
    the interaction token works for 15 minutes. `user_install`: the bot itself isn't there, so nothing but the
    interaction reaches the place.
    """

    model_config = ConfigDict(frozen=True)

    guild_id: int | None
    channel_id: int
    application_id: int
    interaction_id: int | None = None
    interaction_token: str = Field(repr=False)
    interaction_expires_at: datetime
    upload_limit: int = Field(gt=0)
    age_restricted: bool = False
    user_install: bool = False


class GenerationRequest(BaseModel):
    """One generation: a deployment, its inputs by their real keys, and who wants it where.

    `age_restricted` is the operator's mark on the deployment, which may be gone when a result is posted.
    """

    model_config = ConfigDict(frozen=True)

    key: str = Field(default_factory=new_key, pattern=r"^[a-z0-9]{1,20}$")
    requester_id: int
    origin: Origin
    deployment: str
    deployment_id: str
    inputs: Mapping[str, InputValue]
    gpu: str | None = None
    seed: int | None = None
    prompt: str | None = None
    parent_key: str | None = None
    age_restricted: bool = False
    batch_key: str | None = None
    batch_index: int = Field(default=0, ge=0)
    batch_size: int = Field(default=1, ge=1)
    deadline_seconds: int = Field(default=3600, gt=0)
    expected_seconds: float = Field(default=60, gt=0)


def batch_requests(
    request: GenerationRequest, inputs: Sequence[tuple[Mapping[str, InputValue], int | None]]
) -> list[GenerationRequest]:
    """A request made several that differ in their (inputs, seed); with one of them it stays by itself.

    The keys rise with the index: rows are locked in the order of their keys, so the lead's always first.
    """
    if len(inputs) == 1:
        return [request]
    keys = sorted(new_key() for _ in inputs)
    return [
        request.model_copy(
            update={
                "key": key,
                "inputs": own,
                "seed": seed,
                "batch_key": keys[0],
                "batch_index": index,
                "batch_size": len(inputs),
            }
        )
        for index, (key, (own, seed)) in enumerate(zip(keys, inputs, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class Requester:
    """`channel_ids` are the channel, its parent and its category, for rules that exempt channels.

    `can_post` tells whether the bot could post in another channel of the same server.
    """

    person: Member
    origin: Origin
    channel_ids: frozenset[int]
    can_post: Callable[[int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a server, or a person in direct messages (no roles, no `joined_at`)."""

    id: int
    role_ids: frozenset[int] = frozenset()
    manages_server: bool = False
    created_at: datetime
    joined_at: datetime | None = None

    def is_moderator(self, rules: ServerRules) -> bool:
        """Manage Server, or the server's reviewer role."""
        return self.manages_server or rules.reviewer_role_id in self.role_ids


NAME_LENGTH = 32


class Holder(StrEnum):
    """Whose a preset is."""

    PERSON = "p"
    SERVER = "s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """`inputs` by ComfyDeploy's own keys. `created_by` is None once that person had their data deleted."""

    holder: Holder
    holder_id: int
    name: str
    deployment: str
    inputs: Mapping[str, InputValue]
    gpu: str | None
    created_at: datetime
    created_by: int | None


def folded(name: str) -> str:
    """A name as it is looked up: case does not count."""
    return name.strip().casefold()
