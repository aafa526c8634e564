"""The picture check: flagged pictures wait for a moderator, who posts, veils or deletes them."""

import asyncio

from demo.picture_check import Mood
from tests.simulation.world import ALONE
from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await mona.sets("Approval", review_channel=["#reports"])
    await mona.sets("Picture check", flagged_results=["Held for the moderators"])
    await alice.gets(prompt="a lurid fox")
    await alice.types("/runs")
    await mona.at("reports").uses("Use as input", on="Waiting for a moderator")
    await mona.at("pictures").gets_by("Post", beside="a lurid fox")
    await bob.makes(prompt="a lurid crow")
    await mona.gets_by("Delete", beside="a lurid crow")
    await mona.sets("Picture check", flagged_results=["Posted as a spoiler"])
    await bob.gets(prompt="a lurid elk")
    await mona.sets("Picture check", flagged_results=["Held for the moderators"])
    await mona.sets("Results", private_results="Allowed", attached_pictures="Checked")
    await mona.sets("Words", words_and_phrases_to_add="landscape")
    stage.world.checker.marker = rb"\(seed 8\)|lurid"
    await _parts(stage, mona)
    await _others(stage, mona)
    await _at_once(stage, mona)
    await _while_it_waits(stage, mona)
    await _checker_away(stage, mona)
    await _operator(stage, mona)


async def _parts(stage: Stage, mona: Person) -> None:
    """Flag one of the four pictures of a batch, then one of a run."""
    alice = stage.person("alice")
    await alice.gets(prompt="hills", count=4, seed=7)
    await alice.presses("2", beside="hills")
    await alice.types("/runs")
    await mona.gets_by("Post as spoiler", beside="hills")
    await alice.types("/runs")
    await alice.presses("⋯ More", beside="hills")
    await alice.gets("several", prompt="robots", seed=7)
    await alice.presses_more("Details", beside="robots")
    await mona.gets_by("Post", beside="robots")
    stage.world.next_faults({"hold_at": "queued", "webhook_drop": True})
    await alice.types("/generate picture", prompt="a note")
    teal = alice.picture().data or b""
    await stage.run_makes(
        "It has a text, a harmless picture and a lurid one",
        {"text": "Two squares", "1.png": teal, "2.png": teal + b"lurid"},
    )


async def _others(stage: Stage, mona: Person) -> None:
    """Play a forbidden text, a private result, a moderator's own, a block, and an attached picture."""
    alice, bob, mike = stage.person("alice"), stage.person("bob"), stage.person("mike")
    await alice.gets("text", prompt="a fox")
    await mona.gets_by("Delete", beside="a fox")
    await alice.gets(prompt="a lurid secret", private=True)
    await stage.passes(16 * 60)  # longer than Discord lets an interaction live
    await mona.gets_by("Post", beside="a lurid secret")
    await mona.gets(prompt="a lurid tower")
    await mona.presses("Post", beside="a lurid tower")
    await mike.gets_by("Delete", beside="a lurid tower")
    await bob.makes(prompt="a lurid owl")
    await mike.gets_by("Block", beside="a lurid owl", reason="Enough", duration="1 day")
    stage.world.checker.marker = b""  # flags every picture
    await alice.types("/generate animate", image=alice.picture(), prompt="a square", motion="pan")
    stage.world.checker.marker = b"lurid"


async def _at_once(stage: Stage, mona: Person) -> None:
    """Let two moderators decide at once, delete one result beside another, share a spoiler, and be late."""
    carol, mike = stage.person("carol"), stage.person("mike")
    await carol.makes(prompt="a lurid mill")
    posting = asyncio.create_task(mona.presses("Post as spoiler", beside="a lurid mill"))
    await asyncio.sleep(0.01)  # her press comes first, but has no answer yet
    await mike.presses("Delete", beside="a lurid mill")
    await posting
    await stage.until_done()
    await mona.sets("Results", gallery_channel=["#gallery"])
    await carol.presses_more("Share", beside="a lurid mill", show_the_prompt=True)
    stage.world.checker.marker = rb"\(seed [89]\)|lurid"
    await carol.makes(prompt="plains", count=3, seed=7)
    for number in ("1", "2"):
        with stage.unseen():
            await carol.presses(number, beside="plains")
        await carol.gets_by("Delete", beside=f"number {number}")
    await mona.gets_by("Post", beside="plains")
    stage.next_run("The next run is late, and can't be stopped", hold_at="running", cancel_supported=False)
    with stage.unseen():
        await carol.types("/generate picture", prompt="a lurid quarry")
        await stage.passes(180)
    await stage.lets_runs_go_on()


async def _while_it_waits(stage: Stage, mona: Person) -> None:
    """Delete the requester's data, which leaves what waits; change the rules; let it expire."""
    alice = stage.person("alice")
    await alice.makes(prompt="a lurid letter")
    await alice.types("/privacy delete")
    await alice.presses("Delete my data")
    await mona.gets_by("Delete", beside="a lurid letter")
    await alice.makes(prompt="a lurid moor")
    await mona.sets("Picture check", flagged_results=["Not checked"])
    await mona.sets("Approval", review_channel=[])
    await mona.deletes("Reason: explicit")
    await stage.passes(25 * 3600)
    await mona.sets("Picture check", flagged_results=["Held for the moderators"])
    await alice.gets(prompt="a lurid barn")


async def _checker_away(stage: Stage, mona: Person) -> None:
    """Switch the checker off: a picture waits, and an attached one is refused."""
    alice = stage.person("alice")
    await mona.sets("Approval", review_channel=["#reports"])
    stage.world.checker.mood = Mood.AWAY
    await alice.gets(prompt="a grey barn")
    await alice.types("/generate animate", image=alice.picture(), prompt="a square", motion="pan")


async def _operator(stage: Stage, mona: Person) -> None:
    """Let the operator show what can't be checked, and set a minimum that no server can lower."""
    alice = stage.person("alice")
    stage.world.layout = {ALONE: {"PICTURE_CHECK_FAILS": "show", "PICTURE_CHECK": "hide"}}
    await stage.restart()
    await alice.gets(prompt="a green barn")
    stage.world.checker.mood = Mood.WELL
    await mona.sets("Picture check", flagged_results=["Posted as a spoiler"])
    await alice.gets(prompt="a lurid barn")
    await mona.types("/audit")
