"""Presets: save a result's inputs, use them, share them, and make them a default."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, mona: Person) -> None:
    await alice.types("/preset list")
    await alice.gets(prompt="a fox, in ink", style="ink")
    await alice.presses("⋯ More")
    await alice.presses("Save preset")
    await alice.fills_in(name="Ink", prompt="{prompt}, in ink")
    await alice.types("/preset list")
    await alice.gets(prompt="an owl", preset="Ink")
    await alice.types("/preset default", name="Ink")
    await alice.types("/generate picture", prompt="a heron")
    await stage.until_done()
    await alice.types("/preset default", name="Ink", clear=True)
    await mona.types("/preset save", name="House", server=True)
    await mona.gets(prompt="a house")
    await mona.types("/preset save", name="House", server=True)
    await alice.types("/preset default", name="House")
    await alice.types("/preset default", name="House", channel=True)
    with stage.unseen():
        await mona.types("/preset save", name="Hut")
        await mona.types("/preset default", name="Hut")
    await mona.types("/preset default", name="Hut", channel=True)
    await mona.types("/preset share", name="Hut")
    await mona.types("/preset default", name="Hut", channel=True)
    await alice.types("/generate picture", prompt="a bridge")
    await stage.until_done()
    await alice.types("/preset default", name="Ink")
    await alice.makes("/generate picture", prompt="a tower")
    await stage.inputs()
    await mona.types("/preset default", channel=True, clear=True)
    await alice.types("/preset delete", name="Ink")
    await alice.types("/preset use", name="Ink")
