"""Changed meanwhile: requests and results from before a change get what is offered and allowed now."""

from tests.stories.stage import Person, Stage

STYLES = '[deployments.picture.inputs.style]\nchoices = ["photo", "neon"]\n'
HIRES = "[deployments.picture.inputs.hires]"


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await mona.sets("Limits of the server", runs_at_once="1")
    stage.next_run("The next run takes long, and two more wait for it", hold_at="running")
    with stage.unseen():
        await alice.types("/generate picture", prompt="a fox")
        await bob.types("/generate picture", prompt="an owl", gpu="H100")
        await bob.types("/generate picture", prompt="a heron", style="ink")
        await stage.passes(5)
    await stage.reloads('gpus = ["A10G", "H100"]', 'gpus = ["A10G"]')
    await stage.reloads(HIRES, STYLES + HIRES)
    await stage.lets_runs_go_on()
    await _is_marked(stage, alice, mona)


async def _is_marked(stage: Stage, alice: Person, mona: Person) -> None:
    """Mark a deployment as age-restricted after one of its runs, and during another."""
    await mona.sets("Results", gallery_channel=["#gallery"])
    await alice.makes(prompt="an elk")
    await alice.begins(prompt="a crane")
    await stage.reloads('title = "Picture"', 'title = "Picture"\nage_restricted = true')
    await stage.lets_runs_go_on()
    await alice.presses_more("Share", beside="an elk")
    stage.marks("gallery")
    await alice.presses_more("Share", beside="an elk", show_the_prompt=True)
    await stage.reloads('title = "Picture"\nage_restricted = true', 'title = "Picture"')
