"""The repositories on SQLite or PostgreSQL. Their rows are the source of truth.

The statements of frequent work are built once, because SQLAlchemy caches a statement's SQL, but not the work
of building it. Conditions take collections as they are, as in `in_(FINAL)`. The values are parameters, so
neither their order nor their number changes the statement that is cached.
"""

from __future__ import annotations

from bot.database.engine import Database
from bot.database.key_values import KeyValueStore
from bot.database.schema import upgrade
from bot.domain.policy import OperatorRules
from bot.effects import Effects
from bot.store.audit import AuditStore
from bot.store.claims import ClaimStore
from bot.store.copies import CopyStore
from bot.store.erasure import PrivacyStore, RetentionStore
from bot.store.messages import MessageStore
from bot.store.presets import PresetStore
from bot.store.reading.figures import FigureStore
from bot.store.reading.history import HistoryStore
from bot.store.requests import RequestStore
from bot.store.reviews import ReviewStore
from bot.store.rules import PauseStore, RuleStore
from bot.store.runs import RunStore


class Store:
    """The repositories of one database, one attribute for each subject."""

    def __init__(
        self, url: str, effects: Effects, pool_size: int = 20, *, operator: OperatorRules | None = None
    ) -> None:
        self._now = effects.now
        self.database = Database(url, effects, pool_size)
        self.pause = PauseStore(self.database)
        self.presets = PresetStore(self.database)
        self.privacy = PrivacyStore(self.database)
        self.audit = AuditStore(self.database)
        self.rules = RuleStore(self.database)
        self.operator = operator or OperatorRules()
        self.requests = RequestStore(self.database, self.operator)
        self.reviews = ReviewStore(self.database, self.operator)
        self.runs = RunStore(self.database)
        self.claims = ClaimStore(self.database, self.operator, effects.random)
        self.copies = CopyStore(self.database)
        self.messages = MessageStore(self.database)
        self.figures = FigureStore(self.database)
        self.history = HistoryStore(self.database)
        self.key_values = KeyValueStore(self.database, effects.random)
        self.retention = RetentionStore(self.database)

        self.close = self.database.close

    async def open(self) -> None:
        """Bring the schema up to date. Raises StartupError."""
        await upgrade(self.database, self._now())
