"""Batches under a server's rules: one decision, one budget and one report for all runs."""

from __future__ import annotations

import pytest

from tests.discord.actors import delete, read, report
from tests.discord.batches import ask, files, open_one
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, set_rules
from tests.discord.rendered import buttons_of, csv_of, galleries_of, refusal, text_of, texts
from tests.harness import Harness


async def test_one_approval_starts_all_of_them(server: ModeratedServer) -> None:
    await server.ask(count=4)
    assert len(server.cards()) == 1
    assert text_of(server, server.card).startswith("### New request: **Picture ×4**\n")
    assert "counts as 4 runs and about 240 GPU seconds" in server.verdict
    assert texts(server) == []
    await server.restart()
    await server.decide("Approve")
    assert galleries_of(server, server.messages()[0]) == [4]
    assert len(server.calls) == 4
    assert server.verdict.startswith("### Request: **Picture ×4**\n")
    assert f"Approved by <@{server.mona.id}>" in server.verdict


async def test_one_rejection_ends_all_of_them(server: ModeratedServer) -> None:
    await server.ask(count=4)
    await server.reject("not here")
    assert texts(server) == []
    (letter,) = server.letters()
    assert "Your request for **Picture ×4** was not approved." in letter
    assert server.calls == []


async def test_the_budget_counts_each_and_says_how_many_there_is_room_for(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"waiting": None, "runs_a_day": 3}})
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a fox", count=4)
    assert refusal(bot, refused).startswith("You have 3 left today, and asked for 4.")
    assert await bot.runs() == []
    await ask(bot, count=2)
    assert "2 of 3" in await read(bot, bot.alice, "usage")
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a fox", count=2)
    assert "You have 1 left today, and asked for" in refusal(bot, refused)
    await bot.alice.click(refused.response.message, label="Make 1 instead")
    await bot.play()
    assert len(await bot.runs()) == 3
    assert "> a fox" in texts(bot)[-1]


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_deleting_one_takes_it_off_the_reports_card(server: ModeratedServer) -> None:
    await server.ask(count=3)
    await report(server.messages()[0], server.bob)
    await server.play()
    assert galleries_of(server, server.card) == [3]
    one = await open_one(server, server.mona, 2)
    await delete(server, one.response.message, server.mona)
    first, _, third = await server.keys()
    assert files(server.messages()[0]) == [first, third]
    assert [each.filename.split("-")[2] for each in server.card.attachments] == [first, third]
    assert galleries_of(server, server.card) == [2]
    assert list(buttons_of(server, server.card)) == ["Delete", "Block", "Dismiss"]
    await server.decide("Delete")
    assert server.messages() == []
    assert server.card.attachments == []


async def test_the_audit_log_and_its_file_list_a_batch_once(server: ModeratedServer) -> None:
    await server.ask(count=4)
    await server.decide("Approve")
    await delete(server, server.messages()[0], server.mona)
    asked = await server.mona.slash(server.channel, "audit")
    mona, alice = (f"<@{person.id}>" for person in (server.mona, server.alice))
    told = [line.partition(" · ")[0] for line in text_of(server, asked.response).splitlines()]
    assert [line for line in told if "**Picture" in line] == [
        f"{mona} deleted the result of **Picture ×4** for {alice}",
        f"**Picture ×4** for {alice}",
        f"{mona} approved **Picture ×4** for {alice}",
        f"{alice} requested **Picture ×4**",
    ]
    _, rows = await csv_of(await server.mona.click(asked.response, label="CSV file"))
    assert [row["action"] for row in rows] == ["Result deleted", "Outcome", "Approval", "Request"]
    assert {row["request"] for row in rows} == {min(await server.keys())}
    assert "runs: 4; results: 4 of 4" in [row["details"] for row in rows]
