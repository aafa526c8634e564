"""Blocks: they end what waits, are told in private, and end themselves; who can't be blocked."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await mona.sets("Limits per member", runs_at_once="1", runs_per_day="3")
    await _what_waits(stage, alice, mona)
    await mona.types("/block", person=bob.user, reason="spam", duration="hour")
    await mona.types("/block", person=bob.user, reason="spam", duration="week")
    await mona.types("/block", person=bob.user, reason=" ")
    await stage.passes(7 * 86400)
    await mona.types("/blocked")
    for other in ("mike", "mona", "owner"):
        await mona.types("/block", person=stage.person(other).user, reason="spam")
    await bob.types("/blocked")
    await _cards(stage)


async def _what_waits(stage: Stage, alice: Person, mona: Person) -> None:
    """Block somebody with a running request and two that wait; lift the block."""
    with stage.unseen():
        stage.world.next_faults({"hold_at": "running"})
        for prompt in ("a fox", "an owl", "a heron"):
            await alice.types("/generate picture", prompt=prompt)
    await stage.passes(10)
    await mona.types("/block", person=alice.user, reason="spam")
    await stage.passes(10)
    await mona.types("/blocked")
    await alice.types("/generate picture", prompt="an elk")
    await stage.lets_runs_go_on()
    await mona.presses("Unblock")
    await mona.types("/unblock", person=alice.user)
    stage.tells("Of three runs a day, the two that the block ended came back")
    await alice.types("/generate picture", prompt="an elk", count=3)


async def _cards(stage: Stage) -> None:
    """Block by a review card, with another request that waits, and without direct messages."""
    bob, mona, mike = (stage.person(name, "requests") for name in ("bob", "mona", "mike"))
    await mona.sets("Approval", review_channel=["#cards"], who_waits_for_approval=["Everybody"])
    for prompt in ("a fox", "a rude fox"):
        await bob.types("/generate picture", prompt=prompt)
    await mona.presses("Block", beside="a rude fox")
    with stage.closed("dm:bob"):
        await mona.fills_in(reason="that *word*", duration="Until somebody unblocks them")
        await stage.until_done()
    await mona.types("/audit", person=bob.user)
    await mike.types("/generate picture", prompt="a tower")
    await mona.presses("Block", beside="a tower", reason="that", duration="1 day")
