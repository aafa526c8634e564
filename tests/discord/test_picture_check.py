"""What the checker flags waits for a moderator, is posted as a spoiler, or isn't shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from bot.domain.errors import RefusedError
from bot.domain.picture_check import Verdict, decision_by
from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import VARIATIONS_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Output
from demo.picture_check import PATH, FakePictureCheck, Mood
from tests.discord.actors import member
from tests.discord.files import png
from tests.discord.follow_ups import BOTH, SMALL, let_open
from tests.discord.moderated_server import ModeratedServer, moderate, set_rules
from tests.discord.rendered import buttons_of, galleries_of, hidden, refusal, text_of
from tests.discord.shares import Shares
from tests.harness import running_bot

_SECRET = "a-secret-of-the-checker"
_LURID = "a lurid fox"


@asynccontextmanager
async def checked(
    folder: Path, flagged: str = "hold", **settings: Any
) -> AsyncIterator[tuple[ModeratedServer, FakePictureCheck]]:
    """Run a bot on a server that does this with flagged results, and whose review channel is `review`."""
    checker = FakePictureCheck(_SECRET, marker=b"lurid", max_age=float("inf"))
    async with TestServer(checker.app()) as service:
        given = {"picture_check_url": str(service.make_url(PATH)), "picture_check_secret": _SECRET}
        async with running_bot(folder, **{**given, **settings}) as bot:
            rules = {"approval": {"mode": "off"}, "pictures": {"flagged": flagged}}
            yield await moderate(bot, rules), checker


def add_output(bot: ModeratedServer) -> None:
    """Let the only run have one picture more in GET /run."""
    bot.comfydeploy.world.bucket.put("outputs/late.png", png(), "image/png")
    (run,) = bot.comfydeploy.runs
    item = {"url": "outputs/late.png", "type": "output", "filename": f"{len(run.outputs)}.png"}
    made = Output(data={"images": [item]}, node_meta={"node_id": "9"}, created_at=bot.comfydeploy.world.now())
    run.outputs.append(made)


async def test_a_flagged_picture_is_hidden_in_its_first_post(tmp_path: Path) -> None:
    async with checked(tmp_path, "spoiler") as (server, _):
        for prompt, spoiler in ((_LURID, True), ("an elk", False)):
            await server.ask(prompt=prompt)
            assert hidden(server, server.messages()[-1]) == [spoiler]


async def test_a_share_of_a_spoiler_is_one(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, _):
        gallery = server.guild.create_text_channel("gallery")
        await server.env.settle()
        approval = {"mode": "off", "review_channel_id": server.review.id}
        shares = Shares(server, gallery)
        await shares.set_rules(approval=approval, pictures={"flagged": "hold"})
        await server.ask(prompt=_LURID)
        await server.decide("Post as spoiler")
        (shown,) = server.messages()
        assert hidden(server, shown) == [True]
        await shares.share(shown)
        assert [hidden(server, each) for each in shares.shown()] == [[True]]


async def test_nobody_but_moderators_sees_what_waits_and_posting_shows_it_once(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, _):
        await server.ask(prompt=_LURID)
        (waiting,) = server.messages()
        assert not waiting.attachments
        assert "Waiting for a moderator" in text_of(server, waiting)
        assert galleries_of(server, server.card) == [1]
        await server.decide("Post")
        (shown,) = server.messages()
        assert len(shown.attachments) == 1
        assert "Posted by" in server.verdict
        assert not server.card.attachments
        assert not buttons_of(server, server.card)


async def test_only_the_first_decision_counts(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, _):
        await server.ask(prompt=_LURID)
        await server.decide("Post")
        (key,) = await server.keys()
        for person in (server.mona.id, server.bob.id):
            decision = decision_by(person, Verdict.HIDDEN)
            with pytest.raises(RefusedError) as refused:
                await server.app.app.store.reviews.decide_pictures(key, decision, server.clock())
            assert refused.value.code == "pictures_over"
        await server.play()
        assert server.messages()[0].attachments
        decisions = [line for line in await server.audit() if line.action == "pictures"]
        assert len(decisions) == 1


async def test_what_nobody_decides_about_is_hidden_after_a_day(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, _):
        await server.ask(prompt=_LURID)
        await server.later(hours=12)
        assert "Waiting for a moderator" in text_of(server, server.messages()[0])
        await server.later(hours=13)
        assert not server.messages()
        told, where = server.letters()
        assert "Not shown" in told
        assert "Only you are told" in where
        assert "nobody decided" in server.verdict


async def test_a_requester_does_not_decide_about_their_own(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, _):
        await server.ask(server.mona, prompt=_LURID)
        await server.decide("Post")
        assert not server.messages()[0].attachments
        assert buttons_of(server, server.card)


async def test_a_late_success_is_checked_again(tmp_path: Path) -> None:
    given = {"comfydeploy_deployment_id": VARIATIONS_ID, "run_deadline_seconds": 600}
    async with checked(tmp_path, "hide", **given) as (server, _):
        await server.ask(prompt=_LURID, faults=Faults(hold_at="running", cancel_supported=False))
        add_output(server)
        await server.later(minutes=5, times=3)
        (part,) = server.messages()
        assert galleries_of(server, part) == [1]
        await server.release()
        await server.later(minutes=10)
        assert (await server.run()).state is RunState.SUCCEEDED
        (shown,) = server.messages()
        assert "Not shown, because of this server's picture check: 4 of 5." in text_of(server, shown)
        assert galleries_of(server, shown) == [1]


class _First(set[str]):
    """Contains only what is looked for first."""

    def __contains__(self, each: object) -> bool:
        if not len(self):
            self.add(str(each))
        return super().__contains__(each)


async def batch_with_one_held(server: ModeratedServer, checker: FakePictureCheck) -> Any:
    """Generate two pictures, of which only the first is flagged, and return the message with the second."""
    checker.flagged = _First()
    await server.ask(prompt="an elk", count=2)
    (shown,) = server.messages()
    assert galleries_of(server, shown) == [1]
    assert "Waiting for a moderator" in text_of(server, shown) or "It waits" in text_of(server, shown)
    return shown


async def test_a_deleted_result_disappears_although_another_waits(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, checker):
        shown = await batch_with_one_held(server, checker)
        picked = await server.alice.click(shown, label="2")
        await server.click(picked.response.message, "Delete")
        for message in server.messages():
            assert not message.attachments
        await server.decide("Post")
        (shown,) = server.messages()
        assert galleries_of(server, shown) == [1]


async def test_a_card_loses_what_its_requester_deletes(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, _):
        await server.ask(prompt="a lurid elk", count=2)
        assert [len(each.attachments) for each in server.cards()] == [2]
        await server.app.app.store.reviews.delete((await server.keys())[0], server.alice.id, server.clock())
        await server.play()
        assert [len(each.attachments) for each in server.cards()] == [1]
        await server.decide("Post")
        assert [len(each.attachments) for each in server.messages()] == [1]


async def test_what_was_deleted_while_it_waited_is_not_waited_for(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, checker):
        shown = await batch_with_one_held(server, checker)
        picked = await server.alice.click(shown, label="1")
        await server.click(picked.response.message, "Delete")
        assert not buttons_of(server, server.card)
        assert not await server.app.app.store.reviews.expire_pictures(server.clock() + timedelta(days=9))
        assert [len(each.attachments) for each in server.messages()] == [1]


async def test_what_does_not_fit_into_the_card_follows_it(tmp_path: Path) -> None:
    async with checked(tmp_path, comfydeploy_deployment_id=VARIATIONS_ID) as (server, _):
        await server.ask(prompt=_LURID, count=3)
        card, further = server.cards()
        assert [galleries_of(server, each) for each in (card, further)] == [[10], [2]]
        await server.click(card, "Post", server.mona)
        assert [each.id for each in server.cards()] == [card.id]
        assert sum(len(each.attachments) for each in server.messages()) == 12


async def test_without_its_review_channel_what_could_not_be_checked_is_a_spoiler(tmp_path: Path) -> None:
    async with checked(tmp_path) as (server, checker):
        checker.mood = Mood.AWAY
        server.env.backend.delete_channel(server.review.id)
        await server.ask(prompt="an elk")
        (shown,) = server.messages()
        assert hidden(server, shown) == [True]
        (line,) = [line for line in await server.audit() if line.action == "pictures"]
        assert "can't be reached" in str(line.details["decision"])


async def test_what_was_attached_earlier_is_not_checked_again(tmp_path: Path) -> None:
    async with checked(tmp_path, "spoiler", deployments=BOTH) as (server, checker):
        rules = {"approval": {"mode": "off"}, "pictures": {"flagged": "spoiler", "attached": True}}
        await set_rules(server, **rules)
        let_open(server)
        shown = await server.made(**SMALL, image=("start.png", png()))
        checker.marker = b""  # flags every picture
        refused = await server.ask(**SMALL, image=("start.png", png()))
        assert "Your picture for `image` isn't allowed" in refusal(server, refused)
        checker.mood = Mood.AWAY
        refused = await server.ask(**SMALL, image=("start.png", png()))
        assert "I couldn't check your picture for `image`" in refusal(server, refused)
        assert "Edit and try again" in buttons_of(server, refused.response.message)
        await server.click(shown, "Again")
        assert len(await server.keys()) == 2


async def test_what_an_exempt_role_attaches_is_not_checked(tmp_path: Path) -> None:
    async with checked(tmp_path, "spoiler", deployments=BOTH) as (server, checker):
        trusted = server.guild.create_role("trusted")
        pictures = {"flagged": "spoiler", "attached": True, "exempt_roles": [trusted.id]}
        await set_rules(server, approval={"mode": "off"}, pictures=pictures)
        let_open(server)
        checker.marker = b""  # flags every picture
        await server.ask(member(server, "pat", trusted), **SMALL, image=("start.png", png()))
        assert len(await server.keys()) == 1
