"""Results with follow-ups that the operator configured, what is behind More, and the follow-ups' forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.deployments.choices import input_of
from bot.deployments.draft import Draft
from bot.deployments.merge import Stored
from bot.deployments.model import FollowUp
from bot.domain.backend import InputKind
from bot.domain.forms import Option
from bot.domain.runs import Output, RunState
from bot.ui.custom_ids import DeleteId
from bot.ui.forms import form_modal, pictures_layout
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs
from bot.ui.result_buttons import OfferedActions, more_layout
from tests.unit.deployments.made import choice, follow_up, offering
from tests.unit.ui import messages
from tests.unit.ui.messages import ASKED, KEY
from tests.unit.ui.snapshot import of_layout, of_modal

TITLE = "Flux"
TARGET = "98244b49-9b56-46b8-83c8-334f27412095"
PICTURES = ("https://cdn.example/a.png", "https://cdn.example/b.png")
OUTPUT = Output(kind="images", url="https://s3.example/a.png", filename="a.png")
MADE = messages.run(RunState.SUCCEEDED, outputs=(OUTPUT,))
ANIMATED = offering(
    *(
        input_of(
            key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True, required=True, max_length=500
        ),
        input_of(
            key="m", option="motion", kind=InputKind.TEXT, choices=(choice("pan", "pan"), choice("zoom", "z"))
        ),
    ),
    name="animate",
    deployment_id=TARGET,
    title=TITLE,
)


def action(label: str, emoji: str | None = None, kind: InputKind = InputKind.IMAGE) -> FollowUp:
    return follow_up(label, TARGET, emoji=emoji, takes={kind: "image"})


UPSCALE, ANIMATE = action("Upscale", "🔍"), action("Animate", "🎬")
REMOVE = action("Remove background", "✂️")


def offered(*follow_ups: FollowUp) -> OfferedActions:
    return OfferedActions(vary=True, usable=True, reportable=True, follow_ups=follow_ups)


def outcome(offered: OfferedActions, origin: str | None = None) -> list[OutgoingMessage]:
    return messages.outcome(MADE, PreparedOutputs((messages.file(),)), TITLE, offered, origin=origin)


FOLLOWED: Mapping[str, list[OutgoingMessage]] = {
    "followed-by-one": outcome(offered(UPSCALE)),
    "followed-by-two": outcome(offered(UPSCALE, ANIMATE)),
    "followed-by-three": outcome(offered(*map(action, ("Upscale", "Animate", "Cut out")))),
    "followed-by-wide": outcome(offered(UPSCALE, ANIMATE, REMOVE)),
    "followed-by-none-that-fits": outcome(offered(action("Speak", kind=InputKind.AUDIO))),
    "made-from": outcome(OfferedActions(), origin="https://discord.com/channels/1/2/3"),
}


def more(offered: OfferedActions, **changes: Any) -> str:
    """Return what is behind More under a result, perhaps after a change of its run."""
    delete = DeleteId(MADE.key, 5)
    return of_layout(more_layout([replace(MADE, **changes)], "Flux", offered, delete, PICTURES[:1]))


def form() -> str:
    fields = Draft(deployment=ANIMATED, stored=[Stored({"p": "a fox"})], asked=ANIMATED.offered).fields({})
    return of_modal(form_modal(f"draft:{KEY}::::", "Animate: Flux", fields))


AFTER_RESULTS: Mapping[str, Any] = {
    "more": lambda: more(offered()),
    "more-shareable": lambda: more(replace(offered(), shareable=True)),
    "more-follow-ups": lambda: more(offered(UPSCALE, ANIMATE, *map(action, ("Cut out", "Restyle")))),
    "more-of-another": lambda: more(replace(offered(), deletable=False)),
    "more-deleted": lambda: more(OfferedActions(vary=True), deleted_at=ASKED),
    "more-failed": lambda: more(OfferedActions(vary=True), state=RunState.FAILED),
    "follow-up-form": form,
    "follow-up-pictures": lambda: of_layout(
        pictures_layout(PICTURES, ["a", "b"], [Option("0" * 40, "Upscale")])
    ),
}
