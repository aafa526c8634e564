"""The bot's operator: pauses the bot, changes deployments.toml, and looks at the usage."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, owner = stage.person("alice"), stage.person("owner", "dm:owner")
    await owner.types("/help")
    await owner.types("/pause", reason="Back at noon")
    await alice.types("/generate picture", prompt="a fox")
    await owner.types("/resume")
    file = stage.world.folder / "deployments.toml"
    file.write_text(file.read_text().replace('title = "Picture"', 'title = "Painting"'))
    await owner.types("/reload")
    await alice.gets(prompt="a fox")
    file.write_text("deployments = 3")
    await owner.types("/reload")
    await alice.types("/pause")
