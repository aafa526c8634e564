"""A press acts only on the message that belongs to it, whatever custom_id a hostile client sends with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from simcord.backend.serializers import message_payload

from bot.domain.messages.records import CARDS, Kind
from bot.gateway.checks import may_be_on
from bot.ui import custom_ids as ids
from tests.discord.actors import report
from tests.discord.forged import press, select_as, send_form
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, set_rules
from tests.discord.rendered import refusal, stored
from tests.harness import HELD, Harness
from tests.unit.ui.test_custom_ids import KEY, RECORDS

TOLD = "This doesn't belong to this message. Press it where I posted it."
OTHER_VERSION = "This comes from another version of the bot. Please start again with its command."
pytestmark = pytest.mark.bot(rules=NO_APPROVAL)


async def result_of(server: ModeratedServer, actor: Any) -> Any:
    await server.ask(actor)
    return server.messages()[-1]


async def status_of(server: ModeratedServer, actor: Any) -> Any:
    return (await server.ask(actor, faults=HELD)).response.message


async def card_of(server: ModeratedServer, actor: Any) -> Any:
    await set_rules(server, approval={"mode": "everybody", "review_channel_id": server.review.id})
    await server.ask(actor)
    return server.card


async def report_of(server: ModeratedServer, actor: Any) -> Any:
    await report(await result_of(server, actor), server.bob)
    await server.play()
    return server.card


async def list_of(server: ModeratedServer, actor: Any) -> Any:
    return (await actor.slash(server.channel, "queue")).response.message


async def text_from(server: ModeratedServer, actor: Any) -> Any:
    return await actor.send(server.channel, "hello")


# Messages that somebody else's press must not change.
TARGETS: dict[str, Callable[[ModeratedServer, Any], Awaitable[Any]]] = {
    "result": result_of,
    "status": status_of,
    "review card": card_of,
    "report card": report_of,
    "list": list_of,
    "a member's own message": text_from,
}
FORMS = (ids.RunId, ids.DraftId, ids.SaveId, ids.SettingId)
SENDS = {"button": press, "menu": select_as, "form": send_form}


def kept(bot: Harness, message: Any) -> Any:
    """Return all that Discord keeps of a message, which must still exist."""
    return dict(message_payload(bot.env.backend, stored(bot, message)))


@pytest.mark.parametrize("kind", SENDS)
@pytest.mark.parametrize("target", TARGETS)
async def test_no_component_acts_on_a_message_of_somebody_else(
    server: ModeratedServer, target: str, kind: str
) -> None:
    """The presser is a moderator, who may do most, and names a run of her own or one that she moderates."""
    keys = []
    for actor in (server.mona, server.bob):
        await result_of(server, actor)
        keys.append((await server.runs())[-1].key)
    message = await TARGETS[target](server, server.alice)
    before, runs, calls = kept(server, message), await server.runs(), len(server.calls)
    for key in keys:
        for id in RECORDS:
            custom_id = id.encode().replace(KEY, key)
            told = refusal(server, await SENDS[kind](server, server.mona, message, custom_id))
            is_known = kind != "form" or isinstance(id, FORMS)
            assert told == (TOLD if is_known else OTHER_VERSION), custom_id
            assert kept(server, message) == before, custom_id
    await server.play()
    assert (await server.runs(), len(server.calls)) == (runs, calls)


def test_each_button_is_on_the_messages_that_have_it() -> None:
    def on(kind: Kind) -> set[str]:
        return {action for action in ids.Action if may_be_on(ids.RunId(KEY, action), kind)}

    review = {"approve", "reject", "block", "details"}
    report = {"clear", "block", "dismiss"}
    assert on(Kind.REVIEW) == review
    assert on(Kind.REPORT) == report
    assert on(Kind.PICTURES) == {"show", "veil", "hide", "block"}
    others = set(ids.Action) - {"approve", "reject", "block", "dismiss", "show", "veil", "hide"}
    assert all(on(kind) == others for kind in set(Kind) - CARDS)
    assert not may_be_on(ids.DraftId(KEY), Kind.REVIEW)
