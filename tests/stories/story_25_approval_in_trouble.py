"""Approval in trouble: the review channel, direct messages, a moderator's role or the requester is gone."""

from tests.fakediscord.faults import Fault
from tests.stories.stage import Person, Stage

DELETE = "DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice", "requests"), stage.person("mona", "requests")
    await mona.sets("Approval", review_channel=["#cards"], who_waits_for_approval=["Everybody"])
    await _decisions(stage, alice, mona)
    await _places(stage, alice, mona)
    await _people(stage, alice, mona)


async def _decisions(stage: Stage, alice: Person, mona: Person) -> None:
    """Let two moderators decide, let the requester take it back, and let nobody decide."""
    rita, mike = stage.person("rita", "requests"), stage.person("mike", "requests")
    await mona.sets("Approval", reviewer_role=["@role of rita"])
    await alice.types("/generate picture", prompt="a fox")
    await mona.sets("Cards and audit log", new_cards="Ping the reviewer role")
    await rita.presses("Reject", beside="a fox")
    await mike.presses("Approve", beside="a fox")
    await rita.fills_in(reason="Too late")
    await stage.until_done()
    await alice.types("/generate picture", prompt="an owl")
    await stage.passes(3600)
    await alice.gets_by("Cancel", beside="an owl")
    await alice.types("/generate picture", prompt="a heron")
    await stage.passes(25 * 3600)


async def _places(stage: Stage, alice: Person, mona: Person) -> None:
    """Close the requester's direct messages and the review channel."""
    await alice.types("/generate picture", prompt="a rude owl")
    with stage.closed("dm:alice"):
        await mona.gets_by("Reject", beside="a rude owl", reason="Please be kind.")
    await alice.presses_more("Details", beside="Not approved")
    await stage.person("bob", "requests").presses("⋯ More", beside="Not approved")
    bob = stage.person("bob", "requests")
    await bob.types("/generate picture", prompt="a rude hen")
    stage.discord_fails("Discord deletes nothing for a while", DELETE, Fault.answer(503), times=None)
    await mona.presses("Reject", beside="a rude hen", reason="Please be kind.")
    await stage.passes(300)
    stage.world.discord.faults.clear()
    await stage.passes(300)
    with stage.closed("cards"):
        await alice.types("/generate picture", prompt="a crane")


async def _people(stage: Stage, alice: Person, mona: Person) -> None:
    """Take the reviewer's role, and let the requester leave."""
    rita, discord = stage.person("rita", "requests"), stage.world.discord
    reviewed = stage.world.cast.guilds["reviewed"]
    await alice.types("/generate picture", prompt="an elk")
    await rita.presses("Reject", beside="an elk")
    stage.tells("rita loses the reviewer role")
    discord.take_role(reviewed, rita.user)
    await rita.fills_in(reason="Late")
    stage.tells("alice leaves the server")
    discord.leave(reviewed, alice.user)
    await mona.gets_by("Approve", beside="an elk")
    bob = stage.person("bob", "requests")
    await bob.types("/generate picture", prompt="a crow")
    stage.loses("cards")
    await stage.passes(30)
    await bob.types("/generate picture", prompt="a crane")
    await bob.presses("Cancel", beside="a crow")
