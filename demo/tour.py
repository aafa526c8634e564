"""The demo's tour for newcomers, which is printed in the terminal and listed below the channels."""

from __future__ import annotations

from collections.abc import Iterator

from demo.world import FLAGGED, GALLERY, MODERATOR, RESTRICTED, REVIEW, UNLUCKY

_ABOUT_COLUMN = 34
# Steps by the title of their part. Each step is what to type or press, with a description.
TOUR = {
    "First": {
        "/generate picture": "Makes a picture, but not of what you describe.",
        "Upscale, Animate under it": "These buttons make a larger picture and a clip of it.",
    },
    "Then, as Ada or Ben": {
        "/generate picture count:4": "Makes four. A number opens one, and Post posts it alone.",
        "/generate picture private:True": "Shows the result only to you.",
        "Edit, or More, then Details": "Edit changes the inputs. Details shows what was sent.",
        "More, then Share": f"Posts your result in #{GALLERY}.",
        "/preset save, /preset use": "Keep the inputs under a name, and use them again.",
        "/generate several, video, text": "Make four pictures in one run, a clip, or a text.",
        f"“{FLAGGED}” in a prompt": f"Such a picture is flagged: it waits in #{REVIEW} for Mia.",
        f"count:4 seed:{UNLUCKY - 2}": f"Only one of the four is flagged: that with the seed {UNLUCKY}.",
        "/generate trouble": "Runs a workflow that always fails.",
        "/generate slow": "Takes 45 seconds. Press Cancel to stop it.",
        "/generate restricted": f"Runs only in #{RESTRICTED}.",
        "/runs, /queue, /usage": "Show your requests, what is running, and today's usage.",
        "/privacy export, delete": "Show and delete what the bot keeps about you.",
        "Apps, in a message's menu": "Only in Discord: Upscale, Animate and Use as input.",
    },
    f"As {MODERATOR.capitalize()}, who has Manage Server and Manage Channels": {
        "/settings, Approval": f"Choose Everybody. All requests wait in #{REVIEW}.",
        f"Post, Delete, Block in #{REVIEW}": "Decide about a flagged picture, or block its requester.",
        f"Approve, Reject in #{REVIEW}": "Approve starts a request. Reject asks for a reason.",
        "More, then Report": f"Sends a result to #{REVIEW}.",
        "/preset save server:True": "Saves your latest inputs for the server.",
        "/preset default channel:True": "Makes such a preset the default in this channel.",
        "/audit, /block, /blocked": "Show the audit log, block people, and list them.",
    },
}


def lines() -> Iterator[str]:
    """Yield the tour's lines for a terminal of 90 columns."""
    for title, steps in TOUR.items():
        yield f"{title}:"
        for what, about in steps.items():
            yield f"  {what:<{_ABOUT_COLUMN - 2}}{about}"
