"""Files of every kind: sounds, large pictures, many files, and addresses that the bot may not open."""

import io
import random
import wave
from itertools import count

from PIL import Image

from tests.fakediscord.faults import Fault
from tests.fakediscord.world import MEMBER
from tests.stories.stage import Person, Stage

_SEND_MESSAGES = 1 << 11
_POST = "POST /channels/{channel_id}/messages"


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice"), stage.person("mona")
    large, sound = _noise(2100), _sound()
    await _makes(stage, alice, "a sound", {"a.wav": sound})
    await mona.sets("Results", spoilers=["Always"])
    await _makes(
        stage, alice, "a picture above the server's limit, and a sound", {"big.png": large, "a.wav": sound}
    )
    await mona.sets("Results", spoilers=["Never"])
    await _makes(stage, alice, "a sound above the limit", {"long.wav": sound + bytes(11 * 1024**2)})
    await _makes(stage, alice, "a small picture and 11 more", {f"{n}.png": _noise(8) for n in range(12)})
    await mona.sets("Results", gallery_channel=["#gallery"])
    await alice.presses_more("Share", beside="a small picture")
    _refuse_after(stage, 1)
    await alice.fills_in()
    stage.channel("gallery").bot_permissions = MEMBER
    await alice.presses_more("Share", beside="a small picture", show_the_prompt=True)
    await alice.presses_more("Delete", beside="> a small picture")
    await stage.until_done()
    addresses = ("https://minio:s3cret@storage.example/a", "http://169.254.169.254/meta", "ftp://10.0.0.7/a")
    await _makes(
        stage,
        alice,
        "addresses in private networks",
        dict(zip(("a.png", "b.png", "c.png"), addresses, strict=True)),
    )


def _refuse_after(stage: Stage, posts: int) -> None:
    """Let Discord refuse everything in the gallery after so many posts."""
    stage.tells("Discord refuses the second post of the copy")
    left = count(posts, -1)

    def closes(_: object) -> bool:
        if next(left) == 0:
            stage.channel("gallery").bot_permissions = MEMBER & ~_SEND_MESSAGES
        return False

    stage.world.discord.faults.add(_POST, Fault.drop_before(), times=None, where=closes)


async def _makes(stage: Stage, alice: Person, what: str, files: dict[str, bytes] | dict[str, str]) -> None:
    stage.world.next_faults({"hold_at": "queued", "webhook_drop": True})
    with stage.unseen():
        await alice.types("/generate picture", prompt=what)
    await stage.run_makes(f"alice's run of {what} is done", files)


def _noise(side: int) -> bytes:
    """Return a PNG that lossless compression can't make smaller."""
    file = io.BytesIO()
    pixels = random.Random(1).randbytes(side * side * 3)
    Image.frombytes("RGB", (side, side), pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


def _sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(1600))
    return file.getvalue()
