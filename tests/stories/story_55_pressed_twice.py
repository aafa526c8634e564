"""Pressed twice: within five seconds, the same press, form or choice starts one run."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.fakediscord.faults import Fault
from tests.stories.stage import Person, Stage

ANSWER = "POST /interactions/{webhook_id}/{webhook_token}/callback"


async def story(stage: Stage, alice: Person, bob: Person) -> None:
    await alice.makes(prompt="a fox")
    with stage.unseen():
        await alice.presses("Again", beside="a fox")
        for process in stage.world.running:
            process.kill()
        await stage.world.start()
        await asyncio.sleep(1)
    stage.tells("alice has pressed Again, and the bot was killed and has started again at once")
    await alice.presses("Again", beside="a fox")
    await _runs(stage)
    await _together(stage, alice, lambda person: person.presses("4 more", beside="a fox"))
    await _runs(stage)
    stage.discord_fails("A press whose answer Discord refuses doesn't count", ANSWER, Fault.answer(404))
    for _ in range(2):
        with stage.unseen():
            await alice.presses("Again", beside="a fox")
    await _runs(stage)
    await _forms(stage, alice, bob)
    await _posted_pictures(stage, alice, bob)


async def _together(stage: Stage, alice: Person, act: Callable[[Person], Awaitable[None]]) -> None:
    """Let alice do something twice at the same moment."""
    stage.tells("alice does this twice at the same moment:")
    await asyncio.gather(act(alice), act(stage.person(alice.user.name)))


async def _runs(stage: Stage) -> None:
    with stage.unseen():
        await stage.until_done()
    stage.counts()


async def _forms(stage: Stage, alice: Person, bob: Person) -> None:
    for person, prompt in ((alice, "a wolf"), (alice, "a wolf"), (alice, "a lion"), (bob, "a wolf")):
        with stage.unseen():
            await person.presses("Edit", beside="a fox", prompt=prompt)
    await _runs(stage)


async def _posted_pictures(stage: Stage, alice: Person, bob: Person) -> None:
    """Use pictures through the menu of their messages, and through what it offers."""
    stage.tells("bob posts a picture, and two pictures in a message")
    for names in (("owl.png",), ("cat.png", "dog.png")):
        message = stage.world.discord.post(bob.user, stage.channel("pictures"), " and ".join(names))
        message.attachments += [alice.picture(name) for name in names]
    await _together(stage, alice, lambda person: person.uses("Upscale", on="owl.png"))
    await bob.uses("Upscale", on="owl.png")
    await _runs(stage)
    with stage.unseen():
        await stage.passes(60)
        await alice.uses("Upscale", on="cat.png")
    await _together(stage, alice, lambda person: person.presses("1"))
    await alice.presses("2")
    await _runs(stage)
    # A picture with the name of alice's result, and a text that is only named like a picture.
    message.attachments = [alice.picture(f"picture-{stage.key('a fox')}-1.png")]
    with stage.unseen() as seen:
        await alice.uses("Use as input", on="cat.png")
        await alice.chooses("Picture")
    assert not any("a fox" in line for line in seen), "no prompt of alice's made it"
    message.attachments = [alice.picture("notes.png", content=b"just some notes")]
    with stage.unseen() as seen:
        await alice.uses("Upscale", on="cat.png")
    assert any("needs a picture" in line for line in seen)
    assert not any("Edit and try again" in line for line in seen), "the form can't change the picture"
    message.attachments = [alice.picture(name) for name in names]
    await bob.makes(prompt="a small heron")
    await alice.uses("Upscale", on="a small heron")
    await alice.presses("Upscale", beside="a small heron")
    await _runs(stage)
