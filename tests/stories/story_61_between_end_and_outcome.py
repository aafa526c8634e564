"""Between the end of a request and its outcome, the status message says how it ended and what is going on."""

from demo.picture_check import Mood
from tests.fakediscord.faults import Fault
from tests.stories.stage import Person, Stage

POST = "POST /channels/{channel_id}/messages"


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await mona.sets("Results", private_results="Allowed")
    partial = {"ends_as": "failed", "made": 1}
    for told, faults, options in (
        ("The file of the next run can't be fetched", {}, {}),
        ("The file of the next run comes a byte a second", {"body": "slow"}, {}),
        ("The next run fails after one picture, which can't be fetched", partial, {}),
        ("The file of the next run, which is private, can't be fetched", {}, {"private": True}),
    ):
        stage.next_run(told, **{"body": "cut-off"} | faults)
        await alice.types("/generate picture", prompt="a fox", seed=7, **options)
        await _is_fetched(stage)
    for told, how in (
        ("Discord takes no posts, and the next run fails", "failed"),
        ("Discord takes no posts, and the next run is cancelled at ComfyDeploy", "cancelled"),
    ):
        stage.discord_fails(told, POST, Fault.answer(500), times=None)
        stage.world.next_faults({"ends_as": how})
        await alice.types("/generate picture", prompt="an owl", seed=7)
        await stage.passes(10)
        stage.world.discord.faults.clear()
        await stage.until_done()
    stage.tells("Of the next three runs, one fails, and one takes long; no file can be fetched")
    for faults in ({"body": "cut-off"}, {"ends_as": "failed"}, {"body": "cut-off", "hold_at": "running"}):
        stage.world.next_faults(faults)
    await alice.types("/generate picture", prompt="a heron", count=3, seed=7)
    await stage.passes(20)
    stage.world.comfydeploy.release()
    await _is_fetched(stage)
    await mona.sets("Approval", review_channel=["#reports"])
    await mona.sets("Picture check", flagged_results=["Held for the moderators"])
    stage.world.checker.mood = Mood.SLOW
    stage.tells("The picture check takes a minute")
    await bob.types("/generate picture", prompt="an elk", seed=7)
    await stage.passes(10)
    stage.world.checker.mood = Mood.WELL
    await stage.until_done()


async def _is_fetched(stage: Stage) -> None:
    await stage.passes(7)
    stage.tells("It can be fetched now")
    for run in stage.world.comfydeploy.runs:
        run.own_faults = None
    await stage.until_done()
