"""Who is woken by what. Losing a nudge costs the worker's pause, never a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Nudges:
    """Named wake-ups between parts that do not know each other. `on` subscribes, calling one wakes all.

    `announce` passes a topic on to other processes; `heard` takes what they announced.
    """

    def __init__(self, announce: Callable[[str], None] = lambda _: None) -> None:
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._announce = announce

    def on(self, topic: str, listener: Callable[[], None]) -> None:
        self._listeners.setdefault(topic, []).append(listener)

    def submit(self) -> None:
        """A run waits, or room for one has come."""
        self._fire("submit")

    def deliver(self) -> None:
        """A message is owed."""
        self._fire("deliver")

    def check(self) -> None:
        """A run wants asking about or cancelling."""
        self._fire("check")

    def show(self) -> None:
        """A status message is behind."""
        self._fire("show")

    def reload(self) -> None:
        """Other processes are to read the deployments again; this one has."""
        self._announce("reload")

    def heard(self, topics: Iterable[str]) -> None:
        """Another process's words. Not passed on again."""
        for topic in topics:
            self._wake(topic)

    def _fire(self, topic: str) -> None:
        self._wake(topic)
        self._announce(topic)

    def _wake(self, topic: str) -> None:
        for listener in self._listeners.get(topic, ()):
            listener()
