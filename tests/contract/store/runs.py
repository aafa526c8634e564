"""A fixed clock, requests, and runs brought to a state, for the store's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Any

from sqlalchemy import Connection, select

from bot.database.rows import WITH_REQUEST
from bot.database.tables import messages, requests, runs
from bot.domain.messages import Claim, Message, MessageRef, Part, Place, Purpose, Release, Rendering, Shows
from bot.domain.policy import OperatorRules
from bot.domain.requests import Actor, ChannelState, Member, Origin, batch_of, new_key
from bot.domain.runs import Output, Run, RunState, RunUpdate
from bot.store import Store
from bot.store.messages import PER_CHANNEL

NOW = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)
SOON = NOW + timedelta(seconds=30)
GRACE = timedelta(seconds=120)
LEASE = timedelta(seconds=60)
RUN_ID = "a54c3a98-5e73-4435-9f53-72c06e4c4e73"
PICTURE = Output("images", url="https://outputs.example/a.png", filename="a.png")

TRUSTED_ROLE = 1
PERSON = Member(id=(1 << 63) - 1, role_ids=frozenset({TRUSTED_ROLE}), created_at=NOW - timedelta(days=1000))
# The same person before they got the role: a moderator has to approve their requests.
NEWCOMER = replace(PERSON, role_ids=frozenset())
REVIEW_CHANNEL = 9
RULES = {
    "budgets": {"person": {"at_once": None, "waiting": None}},
    "approval": {
        "mode": "without_roles",
        "exempt_roles": [TRUSTED_ROLE],
        "review_channel_id": REVIEW_CHANNEL,
        "hours": 24,
    },
}
APPROVAL_ENDS = NOW + timedelta(hours=24)
OPEN_TO_ALL = OperatorRules(allow_direct_messages=True, allow_user_installs=True)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def place(**changes: Any) -> Origin:
    """Return the origin of a request."""
    return Origin(
        **{
            "guild_id": 1 << 62,
            "channel_id": (1 << 62) + 1,
            "interaction_token": "an-interaction-token",
            "interaction_expires_at": NOW + timedelta(minutes=15),
            "upload_limit": 10 << 20,
            **changes,
        }
    )


def request(**changes: Any) -> Run:
    """Return a new run; `changes` may be those of its origin."""
    key = new_key(SystemRandom())
    return Run(
        **{
            "key": key,
            "request_key": changes.get("key", key),
            "state": RunState.WAITING,
            "created_at": NOW,
            "requester_id": (1 << 63) - 1,
            **asdict(place()),
            "deployment": "flux",
            "deployment_id": "11111111-2222-3333-4444-555555555555",
            "inputs": {"prompt": "a lighthouse"},
            "prompt": "a lighthouse",
            "expected_gpu": changes.get("gpu"),
            **changes,
        }
    )


def asked(count: int, **changes: Any) -> list[Run]:
    """Return the new runs of a batch: the same with different seeds."""
    each = [({"prompt": "a lighthouse", "seed": number}, number) for number in range(count)]
    return batch_of(request(**changes), each, SystemRandom())


def origin_of(run: Run) -> Origin:
    return Origin(**{each.name: getattr(run, each.name) for each in fields(Origin)})


def run_update(state: RunState | None = RunState.RUNNING, **more: Any) -> RunUpdate:
    return RunUpdate(**{"run_id": RUN_ID, "state": state, **more})


SUCCESS = run_update(RunState.SUCCEEDED, outputs=(PICTURE,))


async def accept(
    store: Store,
    *batch: Run,
    person: Member = PERSON,
    now: datetime = NOW,
    public: bool = False,
) -> Run:
    """Submit a request, or a batch of them, to the store as the bot does."""
    requester = Actor(person, origin_of(batch[0]), frozenset(), lambda _channel_id: ChannelState())
    return await store.requests.accept(batch, requester, now, public=public)


async def accepted(store: Store, *, now: datetime = NOW, **changes: Any) -> Run:
    """Return a waiting run whose status message is shown."""
    run = await accept(store, request(**changes), now=now)
    await store.messages.answered(run.key, 77, NOW)
    return await fetch(store, run.key)


async def submitted(store: Store, **changes: Any) -> Run:
    await accepted(store, **changes)
    return await started(store)


async def started(store: Store, now: datetime = NOW) -> Run:
    """Claim the next run to submit; there must be one."""
    run = await take(store, now)
    assert run is not None
    return run


async def take(store: Store, now: datetime = NOW, limit: int | None = None) -> Run | None:
    """Claim the next run to submit, with the same limit for every deployment."""
    return await store.claims.claim_submission(lambda _: limit, now, now + GRACE)


async def take_all(store: Store, now: datetime = NOW) -> list[Run]:
    """Claim runs until none is left."""
    taken = []
    while (run := await take(store, now)) is not None:
        taken.append(run)
    return taken


async def brought_to(store: Store, state: RunState) -> Run:
    """Return a run that ComfyDeploy has reported in this state."""
    run = await submitted(store)
    told = SUCCESS if state is RunState.SUCCEEDED else run_update(state)
    await store.runs.record_update(run.key, told, NOW, SOON)
    return await fetch(store, run.key)


async def fetch(store: Store, key: str) -> Run:
    run = await store.runs.get(key)
    assert run is not None
    return run


async def columns(store: Store, key: str) -> dict[str, Any]:
    """Return the whole row, with the columns that only workers use."""

    def work(connection: Connection) -> Any:
        both = select(*requests.c, *runs.c).select_from(WITH_REQUEST).where(runs.c.key == key)
        row = connection.execute(both).one()
        return {column.name: value for column, value in zip((*requests.c, *runs.c), row, strict=True)}

    return await store.database.read(work)


async def owed(store: Store, key: str) -> list[dict[str, Any]]:
    """Return the rows of the messages about a run, apart from the answer, in the order in which they came."""

    def work(connection: Connection) -> Any:
        mine = (runs.c.key == key, messages.c.number == runs.c.index, messages.c.purpose != Purpose.STATUS)
        joined = messages.join(runs, runs.c.request_key == messages.c.request_key)
        query = select(messages).select_from(joined).where(*mine)
        found = connection.execute(query.order_by(messages.c.since, messages.c.purpose)).mappings()
        return [dict(row) for row in found]

    return await store.database.read(work)


async def purposes(store: Store, key: str) -> list[str]:
    """Return the purposes of the messages about a run, apart from the answer."""
    return sorted(row["purpose"] for row in await owed(store, key))


async def take_message(
    store: Store,
    now: datetime = NOW,
    owner: str = "messenger",
    until: datetime | None = None,
    busy: Sequence[Message] = (),
) -> Claim | None:
    """Claim the message that is due first."""
    claims, _ = await store.messages.turn([], [owner], busy, now, until or now + LEASE)
    return claims[0] if claims else None


async def release(store: Store, claim: Claim, due_at: datetime, *, shown: bool, **more: Any) -> None:
    """Release a claim; `more` are fields of Release."""
    one = Release(claim=claim, due_at=due_at, shown=shown, **more)
    await store.messages.turn([one], [], (), due_at, due_at)


async def show_answer(store: Store, claim: Claim, now: datetime) -> None:
    """Take a status message as edited."""
    await release(store, claim, now, shown=True)


async def claimed(store: Store, now: datetime = NOW) -> Claim:
    """Claim the next message that is due, other than a status message."""
    while (claim := await take_message(store, now)) is not None:
        if claim.message.purpose is not Purpose.STATUS:
            return claim
        await show_answer(store, claim, now)
    raise AssertionError("no message is due")


def part_of(claim: Claim, ref: MessageRef, **more: Any) -> Part:
    own = {"shows": Shows.RESULT, "rendering": Rendering.FILES, "place": Place.CHANNEL}
    rev = claim.message.wanted_rev
    return Part(**{"channel_id": ref[0], "message_id": ref[1], "rev": rev, **own, **more})


async def answers_due(store: Store, now: datetime) -> list[str]:
    """Return the keys of the requests whose status messages are due, and take them as edited."""
    due, full = [], [Message(request_key="another", purpose=Purpose.OUTCOME, channel_id=1)] * PER_CHANNEL
    while (claim := await take_message(store, now, busy=full)) is not None:
        assert claim.message.purpose is Purpose.STATUS
        due.append(claim.message.request_key)
        await show_answer(store, claim, now)
    return due


async def posted(store: Store, *refs: MessageRef, now: datetime = NOW) -> Claim:
    """Claim the next message, and store that these Discord messages show it."""
    claim = await claimed(store, now)
    for index, ref in enumerate(refs):
        claim = claim.with_part(part_of(claim, ref, index=index, of=len(refs)))
    await release(store, claim, now, shown=True)
    return claim


async def at_once(*calls: Awaitable[Any]) -> list[Any]:
    """Run the calls concurrently; return a result or an exception for each."""
    return await asyncio.gather(*calls, return_exceptions=True)
