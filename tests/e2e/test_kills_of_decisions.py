"""SIGKILL around a moderator's decision or its expiry: one outcome, at most one queue call, and a card that
shows the decision.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.e2e.bot_process import BotProcess
from tests.e2e.kill_points import COMFY, DISCORD, MESSAGES, MESSENGER, RUNS, WORK, time_away
from tests.fakediscord.world import MODERATOR, Channel, Message, User
from tests.sampling import every_nth

pytestmark = pytest.mark.usefixtures("cold")
REVIEWS = "bot.store.reviews:ReviewStore"
BLOCKED = ("bot.services.moderation:block:before:1", "bot.services.moderation:block:after:1")
# The card is posted, edited once it is decided, and the outcome is posted after it.
CARD = (
    f"{DISCORD}.post:after:1",
    f"{MESSENGER}.handle:after:1",
)
AFTERWARDS = (
    f"{DISCORD}.edit:before:1",
    f"{DISCORD}.edit:after:1",
    f"{MESSAGES}.begin:after:2",
    f"{DISCORD}.post:after:2",
    f"{MESSAGES}.turn:released:2",
    f"{MESSAGES}.turn:released:3",
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
        """Press a button of the card once it is there; without a label, only wait for the card."""
        await self.home.discord.wait_until(self.open_card)
        card = self.open_card()
        assert card is not None
        if not label:
            return
        shown = await self.home.discord.click(self.mona, card, label)
        if label != "Approve":
            await self.home.discord.wait_until(lambda: shown.modal)
            await self.home.discord.submit(shown, {"reason": "not here"})

    async def is_decided(self) -> bool:
        (state,) = await self.home.states()
        return state != "awaiting_approval"


@dataclass(frozen=True)
class Life:
    """The button that decides, the text on the card, and the steps at which the bot dies."""

    label: str
    verdict: str
    points: tuple[str, ...]
    calls: int = 0
    letters: int = 0
    ahead: float = 0.0


LIVES = {
    "approved": Life(
        "Approve",
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
        "Reject",
        "Rejected by",
        (
            *CARD,
            f"{REVIEWS}.reject:before:1",
            f"{REVIEWS}.reject:after:1",
            f"{DISCORD}.direct_channel:after:1",
            *AFTERWARDS,
        ),
        letters=1,
    ),
    "blocked": Life(
        "Block",
        "The block ended this request and their other waiting ones.",
        (*BLOCKED, *AFTERWARDS),
        letters=1,
    ),
    "expired": Life(
        "",
        "Nobody decided in time.",
        (
            f"{RUNS}.finish:before:1",
            f"{RUNS}.finish:after:1",
            f"{DISCORD}.edit:before:1",
            f"{DISCORD}.edit:after:1",
            f"{MESSAGES}.begin:after:1",
            f"{DISCORD}.post:after:1",
            f"{MESSAGES}.turn:released:1",
            f"{MESSAGES}.turn:released:2",
        ),
        ahead=HOUR,
    ),
}
DEATHS = [(name, point) for name, life in LIVES.items() for point in life.points]


@pytest.fixture
async def review(home: BotProcess) -> Review:
    """Set up a server where every request needs approval within an hour."""
    channel = home.discord.add_text(home.guild, "review")
    await home.set_rules(approval={"mode": "everybody", "review_channel_id": channel.id, "hours": 1})
    return Review(home, channel, home.discord.add_user("mona", home.guild, permissions=MODERATOR))


async def live_through(review: Review, life: Life, point: str) -> None:
    """Send a request, let the bot die at the point, restart it; repeat the decision if it was lost."""
    home = review.home
    if life.ahead:
        await home.start()
        await home.ask()
        await review.press(life.label)
        await home.settled(runs=1)
        await home.kill()
        await home.launch(die_at=point, ahead=life.ahead)
        await home.died()
    else:
        await home.start(die_at=point)
        await home.ask()
        acting = asyncio.ensure_future(review.press(life.label))
        await home.died()
        acting.cancel()
        with suppress(asyncio.CancelledError):
            await acting
    await home.start(ahead=life.ahead + time_away(point))
    if not life.ahead and not await review.is_decided():
        await review.press(life.label)
    await home.until(review.is_decided)
    await home.settled(runs=1)


async def check_decided(review: Review, life: Life) -> None:
    home = review.home
    assert len(await home.keys()) == 1
    await home.check_outcomes(home.discord.dm(home.alice), calls=life.calls)
    (card,) = review.cards
    assert life.verdict in card.text, home.log
    assert card.custom_ids == [], home.log
    assert len(home.discord.messages(home.discord.dm(home.alice))) == life.letters, home.log


@pytest.mark.parametrize(("name", "point"), every_nth(DEATHS, 5, 1))
async def test_a_kill_leaves_one_outcome_and_a_card_with_the_decision(
    review: Review, name: str, point: str
) -> None:
    await live_through(review, LIVES[name], point)
    await check_decided(review, LIVES[name])


@pytest.mark.parametrize("point", CARD)
async def test_a_card_of_unknown_posting_is_found_when_the_request_expires(
    review: Review, point: str
) -> None:
    home = review.home
    await home.start(die_at=point)
    await home.ask()
    await home.died()
    await home.start(ahead=HOUR)
    await home.until(review.is_decided)
    await home.settled(runs=1)
    assert await home.states() == ["expired"]
    await check_decided(review, LIVES["expired"])
