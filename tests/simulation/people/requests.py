"""The action `ask`, which sends `/generate` with drawn options, and helpers that send and record requests."""

from __future__ import annotations

import io
import random
from typing import Any

from PIL import Image

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Attachment
from tests.simulation.steps import Draw, Skip, action
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
# The words after a prompt's mark. A spreadsheet would execute some of them as a formula.
_WORDS = {
    "": 75,
    LURID: 15,
    "very large, " * 50: 10,
    FORBIDDEN: 4,
    f"{FORBIDDEN};=1+1": 2,
    "nice;=1+1": 1,
    "nice|@SUM(1)": 1,
}
# Discord's upload limit in bytes. The second one is so small that pictures are recompressed or linked.
_SIZE_LIMITS = {None: 17, 3000: 3}
_SIDE = 24

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


def draw_request(draw: Draw) -> dict[str, Any]:
    """Choose who sends what, and where."""
    deployment = draw(deployment=_DEPLOYMENTS)
    where = draw(where=("adult", "adult", "pictures") if deployment == "restricted" else _PLACES)
    who = draw(who=_AT.get(where, MEMBERS))
    return {
        "who": who,
        "where": f"dm:{who}" if where == "dm" else where,
        "deployment": deployment,
        "words": draw(words=_WORDS),
        "size_limit": draw(size_limit=_SIZE_LIMITS),
        **draw(options=lambda chance: _draw_options(chance, deployment, where)),
    }


def _draw_options(chance: random.Random, deployment: str, where: str) -> dict[str, Any]:
    options: dict[str, Any] = {"image": True} if deployment == "upscale" else {}
    for name, (deployments, likely, values) in _OPTIONS.items():
        if deployment in deployments and chance.random() < likely:
            options[name] = chance.choice(values)
    # Reviewed allows no private results, unless a moderator changes that.
    if chance.random() < (0.05 if where == "requests" else 0.25):
        options["private"] = chance.random() < 0.9
    return options


@action("ask")
async def ask(story: Story, draw: Draw) -> None:
    await send(story, **draw_request(draw))


async def send(
    story: Story,
    who: str,
    where: str,
    deployment: str = "picture",
    *,
    words: str = "",
    size_limit: int | None = None,
    **options: Any,
) -> Ask:
    """Send /generate with a unique prompt, without waiting for the answer.

    An `image` that is True becomes a file. Raises Skip if Discord's client refuses the command.
    """
    mark = new_mark(story)
    given = {name: value for name, value in options.items() if (name, value) != ("count", 1)}
    if deployment != "upscale":
        given["prompt"] = f"a {mark} {words}".rstrip()
    if given.get("image") is True:
        given["image"] = picture_file(story)
    sent = await story.slash(who, where, f"generate {deployment}", given, size_limit=size_limit)
    if sent is None:
        raise Skip("the request wasn't sent")
    facts = {"private": bool(given.get("private")), "count": int(given.get("count", 1))}
    return story.asked(who, where, sent, mark=mark, deployment=deployment, **facts)


def new_mark(story: Story) -> str:
    """Return the word that marks the next request's prompt."""
    return f"fox{len(story.asks)}x"


def picture_file(story: Story) -> Attachment:
    """Return a small picture of one colour as an attached file."""
    number, data = len(story.discord.user_files), io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), (number * 40 % 256, 90, 160)).save(data, "PNG")
    return story.discord.file(f"mine-{number}.png", data.getvalue(), width=_SIDE, height=_SIDE)


def derived(story: Story, parent: Ask, sent: Interaction | None, how: str, **facts: Any) -> Ask:
    """Record a request that a button, form or message command made from an earlier one.

    Raises Skip if there is no interaction.
    """
    if sent is None:
        raise Skip(f"{how} wasn't sent")
    known: dict[str, Any] = {
        "mark": parent.mark,
        "private": parent.private,
        "deployment": parent.deployment,
        "parent": parent.number,
    }
    return made(story, sent, how, **known | facts)


def made(story: Story, sent: Interaction, how: str, **facts: Any) -> Ask:
    """Record a request that wasn't made by /generate, by default with a new mark."""
    who, place = story.world.name_of(sent.user), story.world.place_of(sent.channel)
    return story.asked(who, place, sent, how=how, **{"mark": new_mark(story)} | facts)
