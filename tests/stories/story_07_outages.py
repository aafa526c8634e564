"""ComfyDeploy and the bot itself are away for a while, and nothing is lost or made twice."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person) -> None:
    plan = stage.world.comfydeploy.world.plan
    plan.away = True
    stage.tells("ComfyDeploy answers nothing but errors")
    await alice.types("/generate picture", prompt="a fox")
    await bob.types("/generate picture", prompt="an owl")
    await stage.passes(20)
    plan.away = False
    stage.tells("ComfyDeploy is back")
    await stage.passes(15)
    await stage.until_done()
    await alice.types("/generate picture", prompt="a heron")
    await stage.restart()
    await stage.until_done()
    stage.tells(f"ComfyDeploy was asked for {len(list(stage.world.comfydeploy.runs))} runs")
