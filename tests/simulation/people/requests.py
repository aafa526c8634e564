"""The action `ask`, which sends `/generate` with drawn options, and helpers for recording requests."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Attachment
from tests.simulation.steps import action
from tests.simulation.story import Ask, Story
from tests.simulation.world import FORBIDDEN, LURID

MEMBERS = ("alice", "bob", "carol")
MODERATORS = ("mona", "mike")
EVERYBODY = (*MEMBERS, *MODERATORS, "rita", "stranger", "owner")
# The people in places where not all members are. The bot isn't a member of the first two.
_AT = {"lounge": (*MEMBERS, "stranger"), "friends": ("alice", "bob", "stranger"), "outside": ("stranger",)}
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
# Discord's upload limit in bytes for some requests. It is so small that pictures are recompressed or linked.
_SMALL_LIMIT = 3000
_SIDE = 24


def _draw_ask(chance: random.Random) -> dict[str, Any]:
    deployment = chance.choices(list(_DEPLOYMENTS), list(_DEPLOYMENTS.values()))[0]
    where = chance.choices(list(_PLACES), list(_PLACES.values()))[0]
    if deployment == "restricted" and chance.random() < 0.7:
        where = "adult"
    who = chance.choice(_AT.get(where, MEMBERS))
    drawn: dict[str, Any] = {
        "who": who,
        "where": f"dm:{who}" if where == "dm" else where,
        "deployment": deployment,
    }
    options = _draw_options(chance, deployment)
    # Reviewed allows no private results, unless a moderator changes that.
    if chance.random() < (0.05 if where == "requests" else 0.25):
        options["private"] = chance.random() < 0.9
    drawn |= {"options": options} if options else {}
    drawn |= {name: value for name, value, likely in _RARELY if chance.random() < likely}
    return drawn


_RARELY = (
    ("forbidden", True, 0.05),
    ("long", True, 0.1),
    ("size_limit", _SMALL_LIMIT, 0.15),
    ("lurid", True, 0.15),
)


def _draw_options(chance: random.Random, deployment: str) -> dict[str, Any]:
    """Draw options. `ask` adds the prompt and replaces an image's True by a file."""
    options: dict[str, Any] = {"image": True} if deployment == "upscale" else {}
    for name, (deployments, likely, values) in _OPTIONS.items():
        if deployment in deployments and chance.random() < likely:
            options[name] = chance.choice(values)
    return options


_SEEDED = ("picture", "several", "text", "restricted")
# For each option: the deployments that have it, its probability, and its values.
_OPTIONS: dict[str, tuple[tuple[str, ...], float, tuple[Any, ...]]] = {
    "count": (_SEEDED, 0.3, (2, 3, 4)),
    "seed": (_SEEDED, 0.3, (0, 7, 123456)),
    "gpu": (("picture",), 0.25, ("A10G", "H100")),
    "width": (("picture", "restricted"), 0.15, (256, 512)),
    "height": (("picture", "restricted"), 0.15, (256, 512)),
    "style": (("picture",), 0.15, ("photo", "ink")),
    "negative": (("picture",), 0.15, ("blurry",)),
    "guidance": (("picture",), 0.15, (3.5, 9.0)),
    "hires": (("picture",), 0.15, (True, False)),
    "image": (("picture",), 0.15, (True,)),
    "scale": (("upscale",), 0.3, (2, 4)),
    # Discord suggests presets, but lets people type any name.
    "preset": ((*_SEEDED, "trouble"), 0.03, ("warm",)),
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
    lurid: bool = False,
    size_limit: int | None = None,
) -> None:
    """Send /generate with a unique prompt."""
    given = dict(options or {})
    mark = new_mark(story)
    if deployment != "upscale":
        given["prompt"] = f"{mark} {FORBIDDEN}" if forbidden else f"a {mark}"
        given["prompt"] += f" {LURID}" if lurid else ""
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


async def send_request(story: Story, who: str, where: str, deployment: str, **options: Any) -> Ask | None:
    """Send /generate with a unique prompt, without waiting; None if Discord's client refuses it."""
    before = len(story.asks)
    await ask(story, who, where, deployment, options=options)
    return story.asks[before] if len(story.asks) > before else None


def new_mark(story: Story) -> str:
    """Return the word that marks the next request's prompt."""
    return f"fox{len(story.asks)}x"


def picture_file(story: Story) -> Attachment:
    """Return a small picture of one colour as an attached file."""
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
    """Record a request that a button, form or message command made from an earlier one."""
    known: dict[str, Any] = {
        "mark": parent.mark,
        "private": parent.private,
        "count": 1,
        "deployment": parent.deployment,
    }
    place = story.world.place_of(sent.channel)
    return story.asked(who, place, sent, **known | facts, how=how, parent=parent.number, source=sent.source)
