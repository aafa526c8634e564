"""`App` holds what every part of the bot shares, such as the `Wakeups`. `bot/app.py` builds it once, and
everything gets it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Literal, TypeVar

from bot.config.settings import Settings
from bot.deployments.catalogue import Catalogue
from bot.discord_api.calls import DiscordCalls
from bot.domain.backend import Backend
from bot.effects import Effects
from bot.media.download import MediaFetcher
from bot.media.outputs import OutputPreparer
from bot.media.picture_check import PictureChecker
from bot.metrics import Metrics
from bot.store import Store
from bot.word_filter.cache import AutomodCache

# No loop sleeps longer, because the wall clock may jump, and a wake-up from another process may be lost.
LONGEST_SLEEP = timedelta(seconds=30)
# What other processes are woken for: a run may start, has to be checked or cancelled, a message is out of
# date, or the rules of a server have changed.
Topic = Literal["submit", "check", "show", "rules"]
T = TypeVar("T")


class Wakeups:
    """Wakes the workers, here and in other processes, for what is due before their sleep ends.

    A lost wake-up delays a worker until then. `notify` passes a topic on to other processes.
    """

    def __init__(self, notify: Callable[[str], None] = lambda _: None) -> None:
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._notify = notify

    def on(self, topic: str, listener: Callable[[], None]) -> None:
        self._listeners.setdefault(topic, []).append(listener)

    def wake(self, *topics: Topic) -> None:
        self.receive(topics)
        for topic in topics:
            self._notify(topic)

    def reload(self) -> None:
        """Make other processes reread the deployments, as this one has."""
        self._notify("reload")

    def receive(self, topics: Iterable[str]) -> None:
        """Call this process's listeners for topics."""
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener()


class Trouble(StrEnum):
    """Something that only the operator can end."""

    KEY = "key"
    CREDITS = "credits"
    UNDELIVERED = "undelivered"
    DISK = "disk"
    BACKUP = "backup"
    SECOND_BOT = "second bot"


class Troubles:
    """The troubles that parts of this process see, of which the owner is told."""

    _ANSWERS, _SECONDS = 3, 600.0

    def __init__(self) -> None:
        self._present: set[Trouble] = set()
        self._answered: deque[float] = deque(maxlen=self._ANSWERS)

    def set(self, trouble: Trouble, lasts: bool = True) -> None:  # as in gauges
        (self._present.add if lasts else self._present.discard)(trouble)

    def answered_elsewhere(self, monotonic: float) -> None:
        """Note that Discord had an answer to an interaction already."""
        self._answered.append(monotonic)

    def present(self, monotonic: float) -> frozenset[Trouble]:
        recent = [at for at in self._answered if monotonic - at < self._SECONDS]
        second = {Trouble.SECOND_BOT} if len(recent) == self._ANSWERS else set[Trouble]()
        return frozenset(self._present | second)


class FormDrafts:
    """A cache of the newest drafts, in memory. After a restart, forms open without their drafts."""

    def __init__(self, random: Random, most: int = 2500) -> None:
        self._random, self._most = random, most
        self._kept: OrderedDict[tuple[int, str], object] = OrderedDict()

    def keep(self, user_id: int, draft: object) -> str:
        name = self._random.randbytes(4).hex()
        self._kept[user_id, name] = draft
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str, user_id: int, kind: type[T]) -> T | None:
        """Return a draft, or None if it is no longer kept or belongs to another user."""
        draft = self._kept.get((user_id, name))
        return draft if isinstance(draft, kind) else None

    def forget(self, user_id: int) -> None:
        for key in [key for key in self._kept if key[0] == user_id]:
            del self._kept[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The settings, resources and caches of a process. What only one role needs, that role builds.

    `discord` makes HTTP calls and needs no gateway. `drafts` are what users typed into forms, and `files` the
    threads that read and write files. Without a checker, `pictures` is None.
    """

    settings: Settings
    store: Store
    backend: Backend
    catalogue: Catalogue
    discord: DiscordCalls
    fetcher: MediaFetcher
    outputs: OutputPreparer
    pictures: PictureChecker | None
    words: AutomodCache
    drafts: FormDrafts
    effects: Effects
    files: Executor
    wakeups: Wakeups
    metrics: Metrics
    troubles: Troubles = field(default_factory=Troubles)

    def now(self) -> datetime:
        return self.effects.now()

    def limit(self, name: str) -> int | None:
        """Return how many runs of a deployment may be in flight, or None without a limit."""
        deployment = self.catalogue.get(name)
        # If it was renamed or removed, the lowest limit of all applies to its waiting runs.
        found = self.catalogue.all() if deployment is None else [deployment]
        limits = [*(each.concurrency_limit for each in found), self.settings.max_concurrent_runs]
        return min(filter(None, limits), default=None)
