"""The operator again: the bot tells its owner about trouble that only they can end, and when it is over."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice = stage.person("alice")
    stage.tells("The account at ComfyDeploy runs out of credits")
    stage.world.next_faults({"queue_status": 402, "queue_starts": 0})
    await alice.types("/generate picture", prompt="a fox")
    await stage.passes(130)
    stage.tells("It has credits again")
    await alice.gets(prompt="an owl")
    await stage.passes(500)
    stage.tells("Half an hour later, the credits run out again, for a moment")
    stage.world.next_faults({"queue_status": 402, "queue_starts": 0})
    await alice.types("/generate picture", prompt="a heron")
    await alice.types("/generate picture", prompt="an elk")
    await stage.passes(500)
