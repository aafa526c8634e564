"""Without a server: direct messages, group messages, and a server that doesn't have the bot."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, bob = stage.person("alice", "dm:alice"), stage.person("bob", "friends")
    await alice.gets(prompt="a fox")
    await bob.types("/generate picture", prompt="an owl")
    await stage.until_done()
    await alice.types("/preset delete", name="Noir", server=True)
    await alice.at("lounge").gets(prompt="a heron")
    await alice.types("/runs")
    await alice.types("/queue")
