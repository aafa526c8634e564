"""Limits: runs a day, GPUs for roles, weights, and how members see what is left."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, mona: Person) -> None:
    await mona.types("/settings")
    await mona.presses("Change", beside="**Limits per member**")
    await mona.fills_in(runs_at_once="many", runs_per_day="3")
    await mona.presses("Change", beside="**Limits per member**")
    await mona.fills_in(runs_per_day="3")
    await mona.presses("Change", beside="**GPUs**")
    await mona.chooses("H100")
    await mona.fills_in(open_to_everybody=False, who_may_use_it=["@role of mike"], a_second_counts_as="2")
    await mona.presses("Back")
    await alice.types("/generate picture", prompt="a fox", gpu="H100")
    await alice.types("/generate picture", prompt="a fox", count=4)
    await alice.gets_by("Make 3 instead")
    await alice.types("/generate picture", prompt="an owl")
    await alice.types("/usage")
    await mona.types("/usage", person=alice.user)
