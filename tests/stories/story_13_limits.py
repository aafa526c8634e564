"""Limits: runs a day, roles for GPUs and deployments, a pace for everybody, and how members see them."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await alice.makes(prompt="a fox", gpu="H100")
    with stage.unseen():
        await mona.types("/settings")
    await mona.presses("Change", beside="**Limits per member**")
    await mona.fills_in(runs_at_once="many", runs_per_day="4")
    await mona.presses("Change", beside="**Limits per member**")
    await mona.fills_in(runs_per_day="4", gpu_seconds_per_day="600")
    await mona.presses("Change", beside="**GPUs**")
    await mona.chooses("H100")
    await mona.fills_in(open_to_everybody=False, who_may_use_it=["@role of bob"], a_second_counts_as="2")
    await mona.presses("Back")
    await mona.presses("Change", beside="**Deployments**")
    await mona.chooses("Picture")
    await mona.fills_in(open_to_everybody=False, who_may_use_it=["@role of alice"])
    await mona.sets("Limits per role", of="@role of bob", runs_per_day="9")
    await mona.sets("Limits of the server", runs_per_day="50")
    await alice.presses("Again")
    await bob.types("/generate picture", prompt="an owl")
    await bob.makes("several", prompt="an owl")
    for person in (alice, bob):
        with stage.unseen():
            await person.types("/help")
        await person.presses("My limits")
    await bob.types("/usage", person=alice.user)
    stage.next_run("The next run takes long", hold_at="running")
    with stage.unseen():
        await stage.passes(60)
        await alice.types("/generate picture", prompt="a snail")
        for _ in range(9):
            await alice.types("/generate picture", prompt="a snail", preset="none")
    await alice.types("/generate picture", prompt="a slug")
    await alice.presses("Edit", beside="a fox", prompt="two foxes")
    await alice.types("/runs")
    await alice.presses("Cancel", beside="a snail")
    with stage.unseen():
        await stage.until_done()
        await stage.passes(60)
    await alice.presses("Edit and try again", beside="too fast")
    await alice.types("/generate picture", prompt="a hen", count=4)
    await alice.makes(prompt="a drake")
    await alice.presses("Make 2 instead")
    await alice.gets_by("Edit and try again", number_of_runs="1")
    await alice.types("/generate picture", prompt="an owl")
    await mona.types("/usage", person=alice.user)
    await mona.types("/block", person=bob.user, reason="*spam*", duration="day")
    await bob.types("/usage")
    with stage.unseen():
        await bob.types("/help")
    await bob.presses("My limits")
    await mona.types("/blocked")
    await mona.presses("Unblock")
