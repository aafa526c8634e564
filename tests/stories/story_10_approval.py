"""Approval: a server whose moderators decide first. They approve, reject and block."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, bob = stage.person("alice", "requests"), stage.person("bob", "requests")
    mona, mike = stage.person("mona", "requests"), stage.person("mike", "requests")
    await mona.types("/settings")
    await mona.presses("Change", beside="**Approval**")
    await mona.fills_in(review_channel=["#cards"], who_waits_for_approval=["Everybody"])
    await alice.types("/generate picture", prompt="a fox")
    await mona.presses("Approve", beside="a fox")
    await stage.until_done()
    await bob.types("/generate picture", prompt="a rude owl")
    await mona.presses("Reject", beside="a rude owl")
    await mona.fills_in(reason="Please be kind.")
    await stage.until_done()
    await bob.types("/generate picture", prompt="another rude owl")
    await mike.presses("Block", beside="another rude owl")
    await mike.fills_in(reason="Twice", duration="7 days")
    await stage.until_done()
    await bob.types("/generate picture", prompt="a kind owl")
    await mona.types("/blocked")
    await mona.types("/unblock", person=bob.user)
    await mona.types("/generate picture", prompt="an elk")
    await mona.presses("Approve", beside="an elk")
    await mona.types("/audit")
    await stage.passes(25 * 3600)
