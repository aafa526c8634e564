"""Members send requests: `/generate` with its options, a message's menu, presets."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Attachment
from tests.simulation.steps import action
from tests.simulation.story import Ask, Story
from tests.simulation.world import FORBIDDEN

MEMBERS = ("alice", "bob", "carol")
MODERATORS = ("mona", "mike")
EVERYBODY = (*MEMBERS, *MODERATORS, "rita", "stranger", "owner")
# Where the bot isn't, only a person's own installation of it works.
OWN_INSTALLS = {"lounge": (*MEMBERS, "stranger"), "friends": ("alice", "bob", "stranger")}
_PLACES = {
    "pictures": 6,
    "requests": 5,
    "adult": 3,
    "dm": 2,
    "thread": 1,
    "lounge": 1,
    "friends": 1,
    "outside": 1,
}
_DEPLOYMENTS = {"picture": 6, "several": 2, "text": 1, "trouble": 1, "restricted": 1, "upscale": 1}
# Pictures are larger than this many bytes, so the bot recompresses them or links to them.
_SMALL_LIMIT = 3000
_SIDE = 24


def _draw_ask(chance: random.Random) -> dict[str, Any]:
    who = chance.choice(MEMBERS)
    where = chance.choices(list(_PLACES), list(_PLACES.values()))[0]
    if where == "outside":
        who = "stranger"
    elif where in OWN_INSTALLS:
        who = chance.choice(OWN_INSTALLS[where])
    deployment = chance.choices(list(_DEPLOYMENTS), list(_DEPLOYMENTS.values()))[0]
    if deployment == "restricted" and chance.random() < 0.7:
        where, who = "adult", chance.choice(MEMBERS)
    drawn: dict[str, Any] = {
        "who": who,
        "where": f"dm:{who}" if where == "dm" else where,
        "deployment": deployment,
    }
    options = _draw_options(chance, deployment)
    # Reviewed allows no private results, unless a moderator changes that.
    if chance.random() < (0.05 if where == "requests" else 0.25):
        options["private"] = chance.random() < 0.9
    if options:
        drawn["options"] = options
    if chance.random() < 0.05:
        drawn["forbidden"] = True
    if chance.random() < 0.1:
        drawn["long"] = True
    if chance.random() < 0.15:
        drawn["size_limit"] = _SMALL_LIMIT
    return drawn


def _draw_options(chance: random.Random, deployment: str) -> dict[str, Any]:
    """Draw options; the prompt is added, and an image only named here."""
    options: dict[str, Any] = {}
    if deployment == "upscale":
        options["image"] = True
        if chance.random() < 0.3:
            options["scale"] = chance.choice((2, 4))
    if deployment in ("picture", "several", "text") and chance.random() < 0.3:
        options["count"] = chance.choice((2, 3, 4))
    if deployment in ("picture", "several", "text") and chance.random() < 0.3:
        options["seed"] = chance.choice((0, 7, 123456))
    if deployment == "picture":
        for name, values in _PICTURE_OPTIONS.items():
            if chance.random() < 0.15:
                options[name] = chance.choice(values)
    # Discord's client requires a name of a preset, but the bot may not have one with it.
    if deployment != "upscale" and chance.random() < 0.04:
        options["preset"] = "warm"
    return options


_PICTURE_OPTIONS: dict[str, tuple[Any, ...]] = {
    "gpu": ("A10G", "H100"),
    "width": (256, 512),
    "height": (256, 512),
    "style": ("photo", "ink"),
    "negative": ("blurry",),
    "guidance": (3.5, 9.0),
    "hires": (True, False),
    "image": (True,),
}


@action("ask", _draw_ask)
async def ask(
    story: Story,
    who: str,
    where: str,
    deployment: str,
    *,
    options: dict[str, Any] | None = None,
    forbidden: bool = False,
    long: bool = False,
    size_limit: int | None = None,
) -> None:
    """Send /generate, with a prompt that no other request has."""
    given = dict(options or {})
    mark = new_mark(story)
    if deployment != "upscale":
        given["prompt"] = f"{mark} {FORBIDDEN}" if forbidden else f"a {mark}"
        given["prompt"] += ", very large" * 50 if long else ""
    if given.get("image"):
        given["image"] = picture_file(story)
    sent = await story.slash(who, where, f"generate {deployment}", given, size_limit=size_limit)
    if sent is not None:
        story.asked(
            who,
            where,
            sent,
            mark=mark,
            private=bool(given.get("private")),
            count=int(given.get("count", 1)),
            deployment=deployment,
            options=given,
        )


def new_mark(story: Story) -> str:
    """Return a word for the next request's prompt."""
    return f"fox{len(story.asks)}x"


def picture_file(story: Story) -> Attachment:
    """Return a file that a person attaches: a small picture of one colour."""
    number = len(story.world.discord.user_files)
    return story.world.discord.file(f"mine-{number}.png", _png(number), width=_SIDE, height=_SIDE)


def _png(number: int) -> bytes:
    colour = bytes((number * 40 % 256, 90, 160))
    rows = (b"\0" + colour * _SIDE) * _SIDE
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def derived(story: Story, parent: Ask, sent: Interaction, who: str, how: str, **facts: Any) -> Ask:
    """Add a request that a button or form made from an earlier one."""
    known: dict[str, Any] = {
        "mark": parent.mark,
        "private": parent.private,
        "count": 1,
        "deployment": parent.deployment,
    }
    place = story.world.place_of(sent.channel)
    return story.asked(who, place, sent, **known | facts, how=how, parent=parent.number, source=sent.source)
