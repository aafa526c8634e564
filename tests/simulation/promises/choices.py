"""Promises: runs obey the settings of moderators and the deployments of the operator when they start."""

from __future__ import annotations

from collections.abc import Iterator

from demo.fake_comfydeploy.call_log import QueueCall
from tests.simulation.evidence import Evidence, Request, keys_of
from tests.simulation.promises.facts import monotonic
from tests.simulation.promises.shared import Broken

# Seconds after which every process has read a changed deployments.toml.
_REREAD = 5.0
_GONE, _RESTORED = "deployments.toml: choices are gone", "deployments.toml"


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for before, after in evidence.story.panels:
        if before and after and before != after:
            yield Broken("a stale form changes nothing", "settings", f"{before!r} became {after!r}")
    for request in evidence.requests:
        for call in request.calls:
            yield from _restricted_gpu(evidence, request, call)
            yield from _still_offered(evidence, request, call)


def _restricted_gpu(evidence: Evidence, request: Request, call: QueueCall) -> Iterator[Broken]:
    ask = request.ask
    for guard in evidence.story.guards:
        if ask is None or ask.interaction.channel.guild is not guard.guild or ask.at < guard.at:
            continue
        approved = guard.approved and any(
            press.label == "Approve" and keys_of(press.message) & request.keys
            for press in evidence.story.presses
        )
        if ask.options.get("gpu") == guard.gpu and not approved:
            yield Broken(
                "a restricted GPU isn't used without permission", str(request), f"at {monotonic(call.at):.0f}"
            )


def _still_offered(evidence: Evidence, request: Request, call: QueueCall) -> Iterator[Broken]:
    style = request.ask.options.get("style") if request.ask is not None else None
    changes = [
        (at, what)
        for at, what in evidence.story.struck
        if what.startswith(_RESTORED) and at < monotonic(call.at)
    ]
    if not style or not changes or "reloaded" not in "".join(e.text for e in evidence.story.world.log):
        return
    at, what = changes[-1]
    if what == _GONE and at + _REREAD < monotonic(call.at):
        yield Broken("a removed choice isn't started", str(request), f"style {style}")
