"""Follow-ups that can't start: pressed twice, forbidden, no longer offered, or without their picture."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person, owner: Person) -> None:
    await alice.makes(prompt="a fox")
    await alice.presses("Upscale")
    await alice.gets_by("Upscale")
    await bob.presses("Animate", beside="a fox")
    await mona.sets("Words", words_and_phrases_to_add="fox")
    await bob.fills_in(motion="pan")
    await mona.sets("Words", words_to_remove="fox")
    await mona.sets("Deployments", of="Upscale", open_to_everybody=False, who_may_use_it=["@role of mona"])
    await bob.presses("Upscale", beside="a fox")
    await mona.sets("Deployments", of="Upscale", open_to_everybody=True)
    await alice.makes(prompt="an owl", count=2)
    await bob.presses("1", beside="an owl")
    await bob.presses("Animate", beside="an owl")
    with stage.unseen():
        await alice.presses("1", beside="an owl")
    await alice.presses_more("Delete", beside="an owl")
    await bob.fills_in(motion="pan")
    await alice.presses("Upscale", beside="an owl")
    await alice.makes(prompt="a heron")
    await alice.gets_by("Upscale", beside="a heron")
    await alice.presses_more("Delete", beside="**Picture**\n> a heron")
    await bob.presses("Again", beside="Made from")
    await bob.presses(
        "Edit", beside="Made from", picture=bob.picture("notes.png", content=b"just some notes")
    )
    await bob.gets_by("Edit and try again", picture=bob.picture("crow.png"))
    await alice.makes(prompt="a crane")
    await alice.types("/privacy delete")
    await alice.presses("Delete my data")
    await alice.presses("Again", beside="a crane")
    await alice.presses("Animate", beside="a crane")
    await alice.uses("Animate", on="a crane")
    await alice.makes(prompt="a stork")
    await stage.reloads('label = "Upscale"', 'label = "Enlarge"')
    await alice.presses("Upscale", beside="a stork")
    await alice.presses("⋯ More", beside="a stork")
    await alice.chooses("Enlarge")
    await stage.until_done()
    file = stage.world.folder / "deployments.toml"
    file.write_text(
        file.read_text().partition("[deployments.animate]")[0].partition("[[deployments.picture.then]]")[0]
    )
    await owner.types("/reload")
    await alice.presses("Animate", beside="a stork")
