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
    await bob.makes(prompt="a small heron")
    await alice.uses("Upscale", on="a small heron")
    await alice.presses("Upscale", beside="a small heron")
    await _runs(stage)
