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
            Step("/generate picture", "Makes a picture, but not of what you describe."),
            Step("Upscale, Animate under it", "These buttons make a larger picture and a clip of it."),
        ),
    ),
    Part(
        "Then, as Ada or Ben",
        (
            Step("/generate picture count:4", "Makes four. A number opens one, and Post posts it alone."),
            Step("/generate picture private:True", "Shows the result only to you."),
            Step("Edit, or More, then Details", "Edit changes the inputs. Details shows what was sent."),
            Step("More, then Share", f"Posts your result in #{GALLERY}."),
            Step("/preset save, /preset use", "Keep the inputs under a name, and use them again."),
            Step("/generate several, video, text", "Make four pictures in one run, a clip, or a text."),
            Step("/generate trouble", "Runs a workflow that always fails."),
            Step("/generate slow", "Takes 45 seconds. Press Cancel to stop it."),
            Step("/generate restricted", f"Runs only in #{RESTRICTED}."),
            Step("/runs, /queue, /usage", "Show your requests, what is running, and today's usage."),
            Step("/privacy export, delete", "Show and delete what the bot keeps about you."),
            Step("Apps, in a message's menu", "Only in Discord: Upscale, Animate and Use as input."),
        ),
    ),
    Part(
        f"As {MODERATOR.capitalize()}, who has Manage Server and Manage Channels",
        (
            Step("/settings, Approval", f"Choose #{REVIEW} and Everybody. Requests wait there."),
            Step(f"Approve, Reject in #{REVIEW}", "Approve starts a request. Reject asks for a reason."),
            Step("More, then Report", f"Sends a result to #{REVIEW}, if it is the review channel."),
            Step("/preset save server:True", "Saves your latest inputs for the server."),
            Step("/preset default channel:True", "Makes such a preset the default in this channel."),
            Step("/audit, /block, /blocked", "Show the audit log, block people, and list them."),
        ),
    ),
)


def lines() -> Iterator[str]:
    """Yield the tour's lines for a terminal of 90 columns."""
    for part in TOUR:
        yield f"{part.title}:"
        for step in part.steps:
            yield f"  {step.what:<{_ABOUT_COLUMN - 2}}{step.about}"
