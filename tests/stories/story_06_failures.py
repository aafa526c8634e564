"""When it doesn't work: a broken workflow, a refused value, a run that fails halfway."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice = stage.person("alice")
    await alice.gets("trouble", prompt="a fox")
    await stage.passes(30)
    await alice.presses("⋯ More")
    await alice.presses("Details")
    stage.world.next_faults({"ends_as": "failed", "made": 2})
    await alice.gets("several", prompt="robots", count=1)
    await alice.types("/generate picture", prompt="a fox", seed=-1)
    await alice.types("/generate picture", prompt=" ")
    stage.world.next_faults({"queue_status": 500, "queue_starts": 0})
    await alice.gets(prompt="a fox")
