"""Files of every kind: sounds, large pictures, many files, and addresses that the bot may not open."""

import io
import random
from itertools import count

from PIL import Image

from tests.fakediscord.faults import Fault
from tests.stories.stage import Person, Stage

POST = "POST /channels/{channel_id}/messages"


async def story(stage: Stage, alice: Person, mona: Person) -> None:
    large, sound = _noise(1900), b"RIFF\xff\xff\x00\x00WAVEfmt " + bytes(1600)
    long = sound + bytes(11 * 1024**2)
    await _makes(stage, alice, "a sound", {"a.wav": sound})
    await mona.sets("Results", spoilers=["Always"])
    await _makes(
        stage, alice, "a picture above the server's limit, and a sound", {"big.png": large, "a.wav": sound}
    )
    await mona.sets("Results", spoilers=["Never"], gallery_channel=["#gallery"], private_results="Allowed")
    await _makes(stage, alice, "a sound above the limit", {"long.wav": long})
    await _makes(stage, alice, "a small picture and 11 more", {f"{n}.png": _noise(8) for n in range(12)})
    await _makes(stage, alice, "a private sound", {"a.wav": sound}, private=True)
    await alice.presses_more("Share", beside="a small picture")
    posts, gallery = count(), stage.channel("gallery")

    def closes(_: object) -> bool:
        if next(posts) == 1:
            stage.world.discord.withdraw(gallery, "send_messages")
        return False

    stage.tells("Discord refuses the second post of the copy")
    stage.world.discord.faults.add(POST, Fault.drop_before(), times=None, where=closes)
    await alice.fills_in()
    stage.world.discord.grant(gallery, "send_messages")
    await alice.presses_more("Share", beside="a small picture", show_the_prompt=False)
    await alice.presses_more("Delete", beside="> a small picture")
    await stage.until_done()
    for _ in range(2):
        stage.dies_at(POST, "The bot dies while it posts a part of the next result", done=True)
    await _makes(stage, alice, "21 small pictures", {f"{n}.png": _noise(8) for n in range(21)})
    for faults in ({}, {"hold_at": "queued", "webhook_drop": True}):
        stage.world.next_faults(faults)
    with stage.unseen():
        await alice.types("/generate picture", prompt="a frog", count=2, seed=7)
    await stage.run_makes("One run of a frog made a picture; the other is done", {"long.wav": long})
    await alice.presses("1", beside="a frog")
    await alice.presses("Delete", beside="number 1")
    addresses = {"a.png": "https://minio:s3cret@storage.example/a", "b.png": "http://169.254.169.254/meta"}
    await _makes(stage, alice, "addresses in private networks", addresses | {"c.png": "ftp://10.0.0.7/a"})
    await mona.sets("Picture check", flagged_results=["Not shown"])
    stage.tells("The server is boosted: it takes files of 50 MiB, which direct messages don't")
    alice.size_limit = 50 * 1024**2
    stage.world.next_faults({"hold_at": "queued", "webhook_drop": True})
    with stage.unseen():
        await alice.types("/generate picture", prompt="a large picture", private=True)
    alice.answer_expires()
    await stage.run_makes("alice's run is done", {"big.png": large})
    await alice.presses_more("Delete", beside="a large picture")


async def _makes(
    stage: Stage, alice: Person, what: str, files: dict[str, bytes] | dict[str, str], **options: bool
) -> None:
    stage.world.next_faults({"hold_at": "queued", "webhook_drop": True})
    with stage.unseen():
        await alice.types("/generate picture", prompt=what, **options)
    await stage.run_makes(f"alice's run of {what} is done", files)


def _noise(side: int) -> bytes:
    """Return a PNG that lossless compression can't make smaller."""
    file = io.BytesIO()
    pixels = random.Random(1).randbytes(side * side * 3)
    Image.frombytes("RGB", (side, side), pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()
