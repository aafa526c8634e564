"""Answers: nothing is started that Discord can't show, and what it lost comes later."""

import asyncio

from tests.fakediscord.faults import Fault
from tests.stories.stage import Person, Stage

DEFERRAL = "POST /interactions/{webhook_id}/{webhook_token}/callback"
EDIT = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
POST = "POST /channels/{channel_id}/messages"
CLEANUP = "DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"


async def story(stage: Stage, alice: Person) -> None:
    stage.discord_fails("Discord refuses the next answer", DEFERRAL, Fault.answer(404))
    await alice.types("/generate picture", prompt="a fox")
    await stage.passes(60)
    stage.discord_fails("Discord takes the next answer, but its reply is lost", DEFERRAL, Fault.lose_reply())
    await alice.gets(prompt="an owl")
    stage.discord_fails("Discord can't change answers for a while", EDIT, Fault.answer(500), times=None)
    stage.world.next_faults({"hold_at": "running"})
    await alice.types("/generate picture", prompt="a heron")
    await stage.passes(30)
    stage.world.discord.faults.clear()
    await stage.passes(30)
    await stage.lets_runs_go_on()
    told = "The owner pauses the bot while Discord delays an answer"
    stage.discord_fails(told, DEFERRAL, Fault.delay(2.0))
    asked = asyncio.create_task(alice.types("/generate picture", prompt="an elk"))
    await asyncio.sleep(1)
    await stage.person("owner").types("/pause", reason="Back at noon")
    await asked
    await stage.until_done()
    await stage.person("owner").types("/resume")
    mona, told = (
        stage.person("mona"),
        "A moderator has just asked for approval while Discord delays an answer",
    )
    with stage.unseen():
        await mona.types("/settings")
        await mona.presses("Change", beside="**Approval**")
    stage.discord_fails(told, DEFERRAL, Fault.delay(2.0))
    asked = asyncio.create_task(alice.types("/generate picture", prompt="an ibex"))
    await asyncio.sleep(1)
    await mona.fills_in(review_channel=["#reports"], who_waits_for_approval=["Everybody"])
    await asked
    await stage.until_done()
    await alice.types("/generate picture", prompt="a newt")
    await alice.presses("Cancel", beside="a newt")
    await mona.sets("Approval", who_waits_for_approval=["Nobody"])
    for route, told, done in (
        (POST, "The bot dies after its next post, before it has stored that", True),
        (POST, "The bot dies before its next post", False),
        (CLEANUP, "The bot dies before it deletes its status message", False),
    ):
        stage.dies_at(route, told, done=done)
        await alice.makes("/generate picture", prompt="a crane")
    told = "A second bot with the same token, on another database, answers the next commands first"
    stage.discord_fails(told, DEFERRAL, Fault.refuse(40060), times=3)
    for _ in range(3):
        await alice.types("/generate picture", prompt="a toad")
    for seconds in (100, 3600):
        await stage.passes(seconds)
    stage.counts()
