"""Age restriction: where restricted deployments run, and where their results may go."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person) -> None:
    await alice.types("/generate restricted", prompt="a fox")
    await alice.at("adult").gets("restricted", prompt="a fox")
    await alice.presses("⋯ More")
    await alice.presses("Use as input")
    await alice.chooses("Upscale")
    await alice.fills_in(scale="3")
    await stage.until_done()
    await alice.at("pictures").types("/runs")
    await alice.at("adult").gets(prompt="an owl")
    stage.tells("#adult loses its mark in Discord")
    stage.channel("adult").nsfw = False
    await alice.gets_by("Upscale", beside="an owl")
