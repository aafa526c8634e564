"""Wake workers, in this process and in others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

# No loop sleeps longer, because the wall clock may jump, and a wake-up from another process may be lost.
LONGEST_SLEEP = timedelta(seconds=30)


class Wakeups:
    """Wakes the workers, here and in other processes, for what is due before their sleep ends.

    A lost wake-up delays a worker until then. `notify` passes a topic on to other processes.
    """

    def __init__(self, notify: Callable[[str], None] = lambda _: None) -> None:
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._notify = notify

    def on(self, topic: str, listener: Callable[[], None]) -> None:
        self._listeners.setdefault(topic, []).append(listener)

    def submit(self) -> None:
        """Wake the submitter, because a run is waiting or an ended run has made room for another."""
        self._fire("submit")

    def check(self, within: timedelta = timedelta()) -> None:
        """Wake the reconciler, because a run has to be checked or cancelled within this time.

        A longer time than any sleep needs no wake-up.
        """
        if within < LONGEST_SLEEP:
            self._fire("check")

    def show(self) -> None:
        """Wake the messenger, because a message is out of date."""
        self._fire("show")

    def probe(self) -> None:
        """Wake the probing of the backend. Each process has its own view of the backend."""
        self._wake("probe")

    def progress(self) -> None:
        """Wake the writer of the progress that this process has buffered."""
        self._wake("progress")

    def reload(self) -> None:
        """Make other processes reread the deployments, as this one has."""
        self._notify("reload")

    def receive(self, topics: Iterable[str]) -> None:
        """Call this process's listeners for topics that another process has notified about."""
        for topic in topics:
            self._wake(topic)

    def _fire(self, topic: str) -> None:
        self._wake(topic)
        self._notify(topic)

    def _wake(self, topic: str) -> None:
        for listener in self._listeners.get(topic, ()):
            listener()
