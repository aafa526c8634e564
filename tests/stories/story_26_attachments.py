"""Attached files of requests that wait for approval: their cards show them, and renew links that expire."""

from tests.fakediscord.faults import Fault
from tests.stories.stage import Stage

MESSAGE = "GET /channels/{channel_id}/messages/{message_id}"


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice", "requests"), stage.person("mona", "requests")
    await mona.sets("Approval", review_channel=["#cards"], who_waits_for_approval=["Everybody"])
    await mona.sets("Approval", requests_expire_after__hours="72")
    await alice.types("/generate upscale", image=alice.picture(), scale=3)
    stage.tells("Discord's link to the file works for a day")
    await stage.passes(30 * 3600)
    await mona.presses("Approve")
    await stage.inputs()
    await alice.types("/generate upscale", image=alice.picture(), scale=2)
    await stage.passes(30 * 3600)
    stage.discord_fails("Discord doesn't find the card's file any more", MESSAGE, Fault.answer(404), None)
    await mona.gets_by("Approve")
    stage.world.discord.faults.clear()
    with stage.unseen() as seen:
        await mona.sets("Results", private_results="Allowed")
        await alice.types("/generate upscale", image=alice.picture(), scale=2, private=True)
        await mona.sets("Approval", who_waits_for_approval=["Nobody"])
        await mona.at("cards").uses("Upscale", on="New request")
        await mona.at("requests").sets("Approval", who_waits_for_approval=["Everybody"])
    assert "    | Pictures on a moderators' card can't be used. Use a posted result instead." in seen
    stage.marks("requests")
    await alice.types("/generate upscale", image=alice.picture("dog.png"), scale=2)
    await mona.gets_by("Reject", beside="dog.png", reason="Not here")
