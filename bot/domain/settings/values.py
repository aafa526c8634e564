"""The roles, channels, GPUs and deployments that settings may name, and how a message shows them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.text import escape_line, strip_invisible


class Names(StrEnum):
    """The kind of thing that a setting names."""

    ROLE = "role"
    CHANNEL = "channel"
    GPU = "gpu"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewChannel:
    """The state of the review channel in Discord."""

    missing: tuple[str, ...] = ()  # missing permissions of the bot, by Discord's names
    reviewers_see: bool = True
    everybody_sees: bool = False


@dataclass(frozen=True, slots=True)
class NotApplied:
    """An AutoMod rule that can't be applied completely. `code` is the reason, for `/settings`."""

    code: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsContext:
    """What a server's settings may name now, and the state that the panel warns about.

    `role_ids` excludes @everyone. `deployments` maps names to titles. `review` is None if no review channel
    is set or the channel is missing. `gallery_lacks` names the permissions that the bot lacks in the gallery
    channel. `manages_server` says whether the bot has the permission to read AutoMod rules. `automod_unread`
    holds the AutoMod rules that can't be applied completely. `automod_away` means that AutoMod rules can't
    be read at the moment. `unreadable` holds the paths of invalid stored settings. `gpu_unknown` holds
    the titles of deployments whose GPU is known only if the user chooses one, and `gpu_not_offered` of those
    whose GPU is never known. `default_presets` maps channels to the names of their default presets.
    """

    server: str = ""
    role_ids: frozenset[int] = frozenset()
    channel_ids: frozenset[int] = frozenset()
    deployments: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    review: ReviewChannel | None = None
    gallery_lacks: tuple[str, ...] = ()
    manages_server: bool = True
    automod_unread: tuple[NotApplied, ...] = ()
    automod_away: bool = False
    unreadable: tuple[str, ...] = ()
    gpu_unknown: tuple[str, ...] = ()
    gpu_not_offered: tuple[str, ...] = ()
    default_presets: Mapping[int, str] = field(default_factory=dict)

    def known(self, names: Names) -> Collection[int | str]:
        """Return the ids or names of everything of a kind that exists now, in the order of the lists."""
        if names in (Names.ROLE, Names.CHANNEL):
            return sorted(self.role_ids if names is Names.ROLE else self.channel_ids)
        return self.gpus if names is Names.GPU else self.deployments

    def ordered(self, names: Names, some: Iterable[int | str]) -> list[int | str]:
        """Sort ids or names as they are offered, with those that don't exist any more at the end."""
        places = {name: place for place, name in enumerate(self.known(names))}
        return sorted(some, key=lambda name: (places.get(name, len(places)), str(name)))

    def options(self, names: Names) -> list[tuple[str, str, str]]:
        """Return the options of a select: names, and their plain titles."""
        known = map(str, self.known(names))
        return [(name, strip_invisible(self.deployments.get(name, name)), "") for name in known]

    def title(self, names: Names, name: int | str) -> str:
        """Return the mention or title of something, which says so if it doesn't exist."""
        is_known = name in self.known(names)
        if names in (Names.ROLE, Names.CHANNEL):
            mention = f"<@&{name}>" if names is Names.ROLE else f"<#{name}>"
            return mention if is_known else f"a deleted {names} (`{name}`)"
        title = escape_line(self.deployments.get(str(name), str(name)), 40)
        return title if is_known else f"{title} (not offered)"
