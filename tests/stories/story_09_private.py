"""Private results: allowed by the server, seen by the requester alone, and shown again by /runs."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice"), stage.person("mona")
    await alice.types("/generate picture", prompt="a secret", private=True)
    await mona.sets("Results", private_results="Allowed")
    await alice.gets(prompt="a secret", private=True)
    await alice.types("/runs")
    await alice.presses("Open")
    await mona.types("/queue")
    await mona.types("/audit")
    await mona.presses("Open")
