"""How soon the messenger edits a status message again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from bot.delivery.messenger import Messenger
from bot.delivery.step import Step
from bot.domain.messages.records import Claim, Kind, Message, Release
from bot.metrics import Metrics
from tests.unit.domain.policy_cases import NOW
from tests.unit.factories import made_run


class Messages:
    """A store that keeps the releases of claims."""

    def __init__(self) -> None:
        self.released: list[Release] = []

    async def turn(
        self, released: Sequence[Release], *_: object, only: str | None
    ) -> tuple[list[Claim], None]:
        self.released += released
        return [], None


@pytest.mark.parametrize(
    ("token_lasts", "answer_id", "seconds"),
    [
        (timedelta(minutes=10), 77, 3),
        (timedelta(minutes=10), None, 15),
        # Without the interaction's token, edits share the channel's rate limit with posts.
        (timedelta(), 77, 15),
    ],
)
async def test_a_status_message_is_edited_less_often_without_its_interaction(
    token_lasts: timedelta, answer_id: int | None, seconds: int
) -> None:
    messages = Messages()
    app: Any = SimpleNamespace(
        now=lambda: NOW,
        outside=SimpleNamespace(random=Random(1), monotonic=lambda: 0.0),
        discord=None,
        store=SimpleNamespace(messages=messages),
        metrics=Metrics(lambda: 0.0),
        wakeups=SimpleNamespace(wake=lambda *_: None),
    )
    token = {"interaction_token": "t", "interaction_expires_at": NOW + token_lasts}
    run = made_run(status_message_id=answer_id, **token)
    messenger, answer = Messenger(app), Message(request_key=run.key, kind=Kind.ANSWER)
    await messenger.handle(Step(app, Claim(lease="own", message=answer, runs=[run])))
    await messenger.close()
    assert [each.due_at - NOW for each in messages.released] == [timedelta(seconds=seconds)]
