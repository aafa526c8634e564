"""The bot's operator: pauses it, changes deployments.toml, and is told of trouble that only they can end."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, owner: Person) -> None:
    await owner.types("/help")
    await owner.types("/pause", reason="Back at noon")
    await alice.types("/generate picture", prompt="a fox")
    await owner.types("/resume")
    await stage.reloads('title = "Picture"', 'title = "Painting"')
    await alice.gets(prompt="a fox")
    await stage.reloads('title = "Painting"', "title = 3")
    stage.tells("The operator replaces deployments.toml by one line: deployments = 3")
    (stage.world.folder / "deployments.toml").write_text("deployments = 3", encoding="utf-8")
    await owner.types("/reload")
    await alice.types("/pause")
    stage.tells("The account at ComfyDeploy runs out of credits")
    stage.world.next_faults({"queue_status": 402, "queue_starts": 0})
    await alice.types("/generate picture", prompt="a fox")
    await stage.passes(130)
    stage.tells("It has credits again")
    await alice.gets(prompt="an owl")
    await stage.passes(500)
    stage.tells("The credits run out again, for a moment")
    stage.world.next_faults({"queue_status": 402, "queue_starts": 0})
    await alice.types("/generate picture", prompt="a heron")
    await alice.types("/generate picture", prompt="an elk")
    await stage.passes(500)
    await stage.passes(1500)
