"""Changed meanwhile: requests and results from before a change get what is offered and allowed now."""

import asyncio
import re
from collections import Counter

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
    await _repeats(stage, alice)


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


async def _repeats(stage: Stage, alice: Person) -> None:
    """Repeat what changes nothing more; the audit log gets no second entry."""
    await alice.begins("text", prompt="a stork")
    key = stage.key("a stork")
    with stage.unseen():
        presses = (alice.sends_forged(f"run:{key}:cancel", on="a stork") for _ in range(3))
        await asyncio.gather(*presses)
    stage.tells("alice has pressed Cancel three times")
    with stage.unseen():
        await stage.until_done()
        for _ in range(3):
            await alice.types("/privacy delete")
            await alice.presses("Delete my data")
    stage.tells("alice has deleted her data three times")
    with stage.unseen() as lines:
        await alice.types("/privacy export")
        alice.reads("audit")
    told = Counter(re.findall(r"\baction: (\w+)", "\n".join(lines)))
    stage.tells(f"Her audit log has {told['cancel']} cancellation and {told['privacy']} deletion")
