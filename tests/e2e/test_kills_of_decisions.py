"""SIGKILL around a moderator's decision or its expiry: one outcome, at most one queue call, and a card that
shows the decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.settings.rules_and_defaults import Approval, ApprovalMode, ServerRules
from bot.store import Store
from tests.e2e.bot_process import BotProcess, bot_process
from tests.e2e.kill_points import COMFY, OWED, POSTER, RUNS, WORK, time_away
from tests.fakediscord.world import MODERATOR, Channel, Message, User
from tests.sampling import every_nth

REVIEWS = "bot.store.reviews:ReviewStore"
BLOCKS = "bot.store.blocks:BlockStore"
# The card is posted, edited once it is decided, and the outcome is posted after it.
CARD = (
    f"{POSTER}.post:after:1",
    f"{OWED}.mark_sent:after:1",
    f"{OWED}.complete:before:1",
)
AFTERWARDS = (
    f"{POSTER}.edit:before:1",
    f"{POSTER}.edit:after:1",
    f"{OWED}.mark_attempt:after:2",
    f"{POSTER}.post:after:2",
    f"{OWED}.mark_sent:after:2",
    f"{OWED}.complete:after:2",
    f"{OWED}.complete:after:3",
)
HOUR = 3700.0


@dataclass
class Review:
    """A request of Alice that awaits approval; Mona decides in a channel of her own."""

    home: BotProcess
    channel: Channel
    mona: User

    @property
    def cards(self) -> list[Message]:
        return list(self.home.discord.messages(self.channel))

    def open_card(self) -> Message | None:
        return next((card for card in self.cards if card.custom_ids), None)

    async def press(self, label: str) -> None:
        await self.home.discord.wait_until(self.open_card)
        card = self.open_card()
        assert card is not None
        shown = await self.home.discord.click(self.mona, card, label)
        if label != "Approve":
            await self.home.discord.wait_until(lambda: shown.modal)
            await self.home.discord.submit(shown, {"reason": "not here"})

    def state(self) -> str:
        ((state,),) = self.home.rows("SELECT state FROM runs")
        return str(state)


@dataclass(frozen=True)
class Life:
    """The decision, how it is made, the text on the card, and the steps at which the bot dies."""

    act: Callable[[Review], Awaitable[None]]
    verdict: str
    points: tuple[str, ...]
    calls: int = 0
    letters: int = 0
    ahead: float = 0.0


async def approves(review: Review) -> None:
    await review.press("Approve")


async def rejects(review: Review) -> None:
    await review.press("Reject")


async def blocks(review: Review) -> None:
    await review.press("Block")


async def lets_it_lie(review: Review) -> None:
    await review.home.discord.wait_until(review.open_card)


LIVES = {
    "approved": Life(
        approves,
        "Approved by",
        (
            *CARD,
            f"{REVIEWS}.approve:before:1",
            f"{REVIEWS}.approve:after:1",
            f"{WORK}.claim_submission:got:1",
            f"{COMFY}.start_run:before:1",
            f"{COMFY}.start_run:after:1",
            *AFTERWARDS,
        ),
        calls=1,
    ),
    "rejected": Life(
        rejects,
        "Rejected by",
        (
            *CARD,
            f"{REVIEWS}.reject:before:1",
            f"{REVIEWS}.reject:after:1",
            f"{POSTER}.direct_channel:after:1",
            *AFTERWARDS,
            f"{POSTER}.post:after:3",
            f"{OWED}.mark_sent:after:3",
            f"{OWED}.complete:after:4",
        ),
        letters=1,
    ),
    "blocked": Life(
        blocks,
        "blocked the requester",
        (f"{BLOCKS}.block:before:1", f"{BLOCKS}.block:after:1", *AFTERWARDS, f"{POSTER}.post:after:3"),
        letters=1,
    ),
    "expired": Life(
        lets_it_lie,
        "Nobody decided in time.",
        (
            f"{RUNS}.finish:before:1",
            f"{RUNS}.finish:after:1",
            f"{POSTER}.edit:before:1",
            f"{POSTER}.edit:after:1",
            f"{OWED}.mark_attempt:after:1",
            f"{POSTER}.post:after:1",
            f"{OWED}.mark_sent:after:1",
            f"{OWED}.complete:after:1",
            f"{OWED}.complete:after:2",
        ),
        ahead=HOUR,
    ),
}
DEATHS = [(name, point) for name, life in LIVES.items() for point in life.points]


@asynccontextmanager
async def reviewed(folder: Path, *, cold: bool) -> AsyncIterator[Review]:
    """Start a server where every request needs approval within an hour."""
    async with bot_process(folder, cold=cold) as home:
        channel = home.discord.add_text(home.guild, "review")
        mona = home.discord.add_user("mona", home.guild, permissions=MODERATOR)
        approval = Approval(mode=ApprovalMode.EVERYBODY, review_channel_id=channel.id, hours=1)
        store = Store(f"sqlite+aiosqlite:///{home.database}")
        try:
            await store.open()
            rules = ServerRules(approval=approval)
            await store.rules.change(home.guild.id, mona.id, lambda _: rules, datetime.now(UTC), "approval")
        finally:
            await store.close()
        yield Review(home, channel, mona)


async def live_through(review: Review, life: Life, point: str) -> None:
    """Send a request, let the bot die at the point, restart it; repeat the decision if it was lost."""
    home = review.home
    if life.ahead:
        await home.start()
        await home.ask()
        await life.act(review)
        await home.settled(runs=1)
        await home.kill()
        await home.launch(die_at=point, ahead=life.ahead)
        await home.died()
    else:
        await home.start(die_at=point)
        await home.ask()
        acting = asyncio.ensure_future(life.act(review))
        await home.died()
        acting.cancel()
        with suppress(asyncio.CancelledError):
            await acting
    await home.start(ahead=life.ahead + time_away(point))
    if not life.ahead and review.state() == "awaiting_approval":
        await life.act(review)
    await home.until(lambda: review.state() != "awaiting_approval")
    await home.settled(runs=1)


def assert_decided(review: Review, life: Life) -> None:
    home = review.home
    ((key,),) = home.rows("SELECT key FROM runs")
    assert len(home.outcomes(key)) == 1, home.log
    assert len(home.comfydeploy.call_log.queue_calls) <= life.calls, home.log
    (card,) = review.cards
    assert life.verdict in card.text, home.log
    assert card.custom_ids == [], home.log
    assert len(home.discord.messages(home.discord.dm(home.alice))) == life.letters, home.log


@pytest.mark.parametrize(("name", "point"), every_nth(DEATHS, 2, 1))
async def test_a_kill_around_a_decision_leaves_one_outcome_and_a_card_that_tells(
    name: str, point: str, tmp_path: Path, cold: bool
) -> None:
    life = LIVES[name]
    async with reviewed(tmp_path, cold=cold) as review:
        await live_through(review, life, point)
        assert_decided(review, life)


@pytest.mark.parametrize("point", CARD)
async def test_a_card_whose_posting_is_unknown_when_the_request_expires_is_found(
    point: str, tmp_path: Path, cold: bool
) -> None:
    life = LIVES["expired"]
    async with reviewed(tmp_path, cold=cold) as review:
        home = review.home
        await home.start(die_at=point)
        await home.ask()
        await home.died()
        await home.start(ahead=HOUR)
        await home.until(lambda: review.state() == "expired")
        await home.settled(runs=1)
        assert_decided(review, life)
