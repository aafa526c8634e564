"""The demo's tour for newcomers, which is printed in the terminal and listed below the channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from demo.world import GALLERY, MODERATOR, RESTRICTED, REVIEW

_ABOUT_COLUMN = 34


class Step(NamedTuple):
    """Something to type or press, and what it shows."""

    what: str
    about: str


class Part(NamedTuple):
    """A part of the tour. Its title says when, or as whom, to try the steps."""

    title: str
    steps: tuple[Step, ...]


TOUR = (
    Part(
        "First",
        (
            Step("/generate picture", "a picture from a few words"),
            Step("Upscale, Animate under it", "a larger one; a clip"),
        ),
    ),
    Part(
        "Then, as Ada or Ben",
        (
            Step("/generate picture count:4", "four at once; a number opens one, Post posts it alone"),
            Step("/generate picture private:True", "only you see the result"),
            Step("More, then Share", f"shows your result in #{GALLERY}"),
            Step("/preset save, /preset use", "keep the inputs under a name, and use them again"),
            Step("/generate several, video, text", "four pictures of one run; a clip; words"),
            Step("/generate trouble", "a workflow that fails"),
            Step("/generate slow", "takes 45 seconds: press Cancel"),
            Step("/generate restricted", f"runs only in #{RESTRICTED}"),
            Step("/runs, /queue, /usage", "your requests, what is running, what is left today"),
            Step("/privacy export", "what the bot keeps about you"),
            Step("Apps, in a message's menu", "in Discord only: Upscale, Animate, Use as input"),
        ),
    ),
    Part(
        f"As {MODERATOR.capitalize()}, who has Manage Server and Manage Channels",
        (
            Step("/settings, Approval", f"choose #{REVIEW}, then Everybody: requests wait there"),
            Step("More, then Report", f"brings a result to #{REVIEW}, once you have chosen it"),
            Step("/preset save server:True", "saves your latest inputs for the server"),
            Step("/preset default", "/generate uses such a preset in this channel"),
            Step("/audit, /block, /blocked", "the audit log; who may not generate"),
        ),
    ),
)


def lines() -> Iterator[str]:
    """Yield the tour's lines for a terminal of 90 columns."""
    for part in TOUR:
        yield f"{part.title}:"
        for step in part.steps:
            yield f"  {step.what:<{_ABOUT_COLUMN - 2}}{step.about}"
