"""Files that can't be stored or fetched: a result comes later, or with links, and at one place only."""

import tempfile
from unittest.mock import patch

from tests.fakediscord.errors import Json
from tests.fakediscord.faults import Fault
from tests.stories.stage import Person, Stage

POST = "/channels/{channel_id}/messages"


async def story(stage: Stage, alice: Person) -> None:
    with patch("bot.media.download.IN_MEMORY", 0):
        await _no_room(stage, alice)
    await _closed_channel(stage, alice)
    # Discord answers three posts with something else than the message.
    stage.world.discord.faults.add(f"POST {POST}", Fault.answer(200), times=3)
    with stage.unseen() as seen:
        await alice.gets(prompt="a wren")
    assert any("I couldn't attach" in line for line in seen)


async def _no_room(stage: Stage, alice: Person) -> None:
    folder = tempfile.tempdir
    stage.tells("No folder for temporary files can be written")
    tempfile.tempdir = str(stage.world.folder / "gone")
    stage.next_run("The first of two runs fails", ends_as="failed")
    await alice.gets(prompt="a fox")
    with stage.unseen():
        await alice.types("/generate picture", prompt="an owl")
        await stage.passes(30)
    tempfile.tempdir = folder
    stage.tells("There is room again, for a while")
    await stage.until_done()
    tempfile.tempdir = str(stage.world.folder / "gone")
    with stage.unseen():
        await alice.types("/generate picture", prompt="a heron")
        await stage.passes(30)
    await stage.until_done()
    tempfile.tempdir = folder


async def _closed_channel(stage: Stage, alice: Person) -> None:
    await alice.begins(prompt="a crane")
    alice.answer_expires()
    (run,) = [each for each in stage.world.comfydeploy.runs if each.inputs["prompt"] == "a crane"]

    def damage_the_file(_: Json) -> bool:
        run.own_faults = run.faults.model_copy(update={"body": "cut-off"})
        return False

    stage.tells("Once Discord has refused the file, it can't be fetched any more")
    stage.world.discord.faults.add(f"POST {POST}", Fault.answer(500), times=None, where=damage_the_file)
    sent = stage.world.discord.request_log.calls
    before = len(sent("POST", POST))
    with stage.closed("pictures"):
        await stage.lets_runs_go_on()
        with stage.unseen():
            await stage.passes(3600)
    with stage.unseen():
        await alice.at("dm:alice").presses_more("Delete", beside="a crane")
        await stage.until_done()
    assert not stage.world.discord.messages(stage.channel("dm:alice"))
    posts = [each for each in sent("POST", POST)[before:] if str(stage.channel("pictures").id) in each.path]
    stage.tells(f"The bot has tried {len(posts)} time to post in #pictures")
