"""Private results: allowed by the server, seen by the requester alone, and opened by moderators."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, mona: Person) -> None:
    await alice.types("/generate picture", prompt="a secret", private=True)
    await mona.sets("Results", private_results="Allowed")
    await alice.gets(prompt="a secret", private=True)
    await alice.types("/runs")
    await alice.presses("Open")
    await mona.types("/queue")
    await mona.types("/audit")
    await mona.presses("Open")
    await alice.gets("trouble", prompt="a fox", private=True)
    await stage.passes(30)
    await alice.makes(prompt="a secret", private=True, count=2)
    await alice.presses("2", beside="a secret")
    await alice.gets_by("Upscale", beside="a secret")
    await mona.types("/audit")
    await mona.presses("Open", beside="results: 2 of 2")
    await mona.presses("Delete", beside="a private result")
    await mona.presses("Open", beside="results: 2 of 2")
    await stage.configures(RUN_DEADLINE_SECONDS="7200")
    for accepts, prompt in ((True, "a slow secret"), (False, "a slower secret")):
        stage.world.next_faults({"hold_at": "running"})
        await alice.types("/generate picture", prompt=prompt, private=True)
        alice.user.accepts_dms = accepts
        await stage.passes(15 * 60)
        stage.world.comfydeploy.release()
        await stage.until_done()
    await alice.types("/runs")
    await alice.gets_by("Post it here")
    await alice.presses_more("Use as input", beside="a slower secret")
    await mona.sets("Results", private_results="Not allowed")
    await alice.chooses("Upscale")
    await alice.fills_in()
    await alice.presses("Again", beside="a slower secret")
