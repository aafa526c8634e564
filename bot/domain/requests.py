"""Records of requests and requesters, of lists of requests, and of presets, which are saved values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from random import Random
from typing import Any

from bot.domain.messages import MessageRef
from bot.domain.runs import Deletions, InputValue, Run
from bot.domain.settings.rules_and_defaults import ServerRules

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # base32
_KEY_LENGTH = 16


def new_key(random: Random) -> str:
    """Return a random run key of 16 characters (80 bits), safe in URLs, nonces, custom_ids and file names.

    Discord limits nonces to 25 characters, so the bot can add up to nine characters to the key.
    """
    # One draw for all characters, because each one costs a system call.
    bits = random.getrandbits(5 * _KEY_LENGTH)
    return "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_KEY_LENGTH))


def is_key(text: str) -> bool:
    return len(text) == _KEY_LENGTH and set(text) <= set(_ALPHABET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The channel or conversation of a request, and how it can be answered. A run has the same fields.

    `channel_age_restricted` is Discord's mark on the channel. The interaction token is valid for 15 minutes.
    With `user_install` the bot itself is absent, and only interactions can post in the channel.
    `upload_limit` is in bytes and applies to the bot's own posts, or with `user_install` to answers to the
    interaction.
    """

    guild_id: int | None
    channel_id: int
    interaction_id: int | None = None
    interaction_token: str = field(repr=False)
    interaction_expires_at: datetime
    upload_limit: int
    channel_age_restricted: bool = False
    user_install: bool = False


def batch_of(
    run: Run, inputs: Sequence[tuple[Mapping[str, InputValue], int | None]], random: Random
) -> list[Run]:
    """Return a batch with one copy of a new run for each pair of inputs and seed.

    Keys increase with the index, so that the first run of a batch is always locked first.
    """
    keys = sorted(new_key(random) for _ in inputs)
    return [
        replace(run, key=key, inputs=own, seed=seed, request_key=keys[0], index=index, count=len(inputs))
        for index, (key, (own, seed)) in enumerate(zip(keys, inputs, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class Press:
    """What starts a run, other than a slash command, and when: a button, a form, or a message's menu."""

    id: str
    at: datetime


def press_id(action: str, source: str, typed: Mapping[str, Any] | None = None) -> str:
    """Return a digest of an action, its source (a run's key or a file), and a form's values.

    It is the same wherever the user finds the action: under the result, behind *More* or in a menu.
    """
    pressed = json.dumps([action, source, typed or {}], sort_keys=True, default=astuple)
    return sha256(pressed.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """A channel as it is now. `missing` names the permissions that the bot lacks for posting a result."""

    exists: bool = True
    locked: bool = False
    missing: tuple[str, ...] = ()
    age_restricted: bool = False

    @property
    def can_post(self) -> bool:
        return self.exists and not self.locked and not self.missing


@dataclass(frozen=True, slots=True)
class Actor:
    """The user behind an interaction: who, where, and with which permissions, without discord.py objects.

    `channel_ids` are the ids of the channel, its parent and its category. AutoMod rules can exempt any of
    them, and the channel's default preset is looked up by them. `channel_state` returns the state of any
    channel of the server. `guild_id` is the server of the interaction. Unlike that of the origin, it may be
    a server without the bot. `manages_messages` says whether the user may delete messages in the channel.
    `press` is None for a slash command, which users may repeat at once.
    """

    person: Member
    origin: Origin
    channel_ids: frozenset[int]
    channel_state: Callable[[int], ChannelState]
    guild_id: int | None = None
    manages_messages: bool = False
    press: Press | None = None

    @property
    def id(self) -> int:
        return self.person.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A request that passed the checks, which only read; `batch` has its runs.

    If `only_requester` is set, nobody else may see the answer, because the request is private or a moderator
    has to approve it. `dropped` names the inputs whose earlier values the deployment no longer accepts.
    """

    batch: Sequence[Run]
    actor: Actor
    only_requester: bool
    dropped: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a server, or a user in direct messages (no roles, no `joined_at`).

    `manages_channels` says whether they have Manage Channels in the channel of the interaction, and
    `owns_server` whether they own the server.
    """

    id: int
    role_ids: frozenset[int] = frozenset()
    manages_server: bool = False
    manages_channels: bool = False
    owns_server: bool = False
    created_at: datetime
    joined_at: datetime | None = None

    def is_moderator(self, rules: ServerRules) -> bool:
        """Return whether the member has Manage Server or the server's reviewer role."""
        return self.manages_server or rules.reviewer_role_id in self.role_ids


NAME_LENGTH = 32


class Holder(StrEnum):
    """The kind of owner of a preset."""

    PERSON = "p"
    SERVER = "s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A saved set of inputs. `inputs` is keyed by the backend's input keys, and `created_by` is None if the
    creator has erased their data.

    A person's own preset may be their default for its deployment, which `is_default` says.
    """

    holder: Holder
    holder_id: int
    name: str
    deployment: str
    inputs: Mapping[str, InputValue]
    gpu: str | None
    created_at: datetime
    created_by: int | None
    is_default: bool = False


# Entries on one page of a list. Ten lines of the audit log fit into a message, which holds 4,000 characters.
# Lists read one more, which tells whether another page follows.
PAGE_SIZE = 10


class RunFilter(StrEnum):
    """A filter for a user's runs. UNDELIVERED matches runs whose outcome is undelivered."""

    ALL = "all"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class RunListEntry:
    """A batch, whether its result is undelivered, and the first message of its outcome, if there is one."""

    batch: Sequence[Run]
    undelivered: bool
    message: MessageRef | None
    deletions: Deletions = field(default_factory=Deletions)

    @property
    def first(self) -> Run:
        return self.batch[0]

    @property
    def can_be_reopened(self) -> bool:
        """Return whether this is a private result that was shown and hasn't been deleted or erased.

        Discord drops ephemeral messages on a reload.
        """
        was_shown = self.first.private and self.message is not None and not self.undelivered
        return was_shown and any(run.is_shown and run.erased_at is None for run in self.batch)
