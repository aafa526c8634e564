"""Records of presets and of channels' default presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.runs import InputValue
from bot.domain.text import without_joiners

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDefault:
    """A channel's default preset, the time when it was set, and the user who set it.

    `set_at` and `set_by` are None if an older version of the bot set the default. `set_by` is also None if
    the user has erased their data.
    """

    channel_id: int
    preset: Preset
    set_at: datetime | None = None
    set_by: int | None = None


def folded(name: str) -> str:
    """Strip and case-fold a preset's name for lookups, without joiners, which are invisible.

    Lone surrogates are replaced, because they can't be stored.
    """
    return without_joiners(name).strip().encode("utf-8", "replace").decode().casefold()
