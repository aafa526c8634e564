"""Who may do how much: roles for GPUs and deployments, a pace for everybody, and what /help says of it."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await alice.makes(prompt="a fox", gpu="H100")
    await mona.sets("GPUs", of="H100", open_to_everybody=False, who_may_use_it=["@role of bob"])
    await mona.sets("Deployments", of="Picture", open_to_everybody=False, who_may_use_it=["@role of alice"])
    await mona.sets("Limits per member", runs_per_day="4", gpu_seconds_per_day="600")
    await mona.sets("Limits per role", of="@role of bob", runs_per_day="9")
    await mona.sets("Limits of the server", runs_per_day="50")
    await alice.presses("Again")
    await bob.types("/generate picture", prompt="an owl")
    await bob.types("/generate several", prompt="an owl")
    with stage.unseen():
        await stage.until_done()
    for person in (alice, bob):
        with stage.unseen():
            await person.types("/help")
        await person.presses("My limits")
        await person.types("/usage")
    await mona.types("/usage", person=bob.user)
    await bob.types("/usage", person=alice.user)
    stage.next_run("The next run takes long", hold_at="running")
    with stage.unseen():
        await alice.types("/generate picture", prompt="a snail")
        for _ in range(9):
            await alice.types("/preset delete", name="none")
    await alice.types("/preset delete", name="none")
    await alice.types("/preset delete", name="none")
    await alice.presses("Edit", beside="a fox", prompt="two foxes")
    await alice.presses_more("Delete", beside="a fox")
    await alice.types("/runs")
    await alice.presses("Cancel", beside="a snail")
    with stage.unseen():
        await stage.until_done()
        await stage.passes(60)
    await alice.presses("Edit and try again", beside="too fast")
    await mona.types("/block", user=bob.user, reason="*spam*", duration="day")
    await bob.types("/usage")
    with stage.unseen():
        await bob.types("/help")
    await bob.presses("My limits")
    await mona.types("/blocked")
    await mona.presses("Unblock")
    await mona.types("/unblock", user=bob.user)
