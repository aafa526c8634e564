"""A stranger's press changes nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.evidence import Evidence, Request, keys_of, text_of
from tests.simulation.promises.shared import Broken, cancelled


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        yield from _nobody_else_ended_it(evidence, request)


def _nobody_else_ended_it(evidence: Evidence, request: Request) -> Iterator[Broken]:
    ended = [m for m in evidence.outcomes(request) if text_of(m.body).startswith("### Cancelled")]
    if ended and not cancelled(evidence, request):
        pressed = [p.who for p in evidence.story.presses if keys_of(p.message) & request.keys]
        if pressed:
            yield Broken("strangers change nothing", str(request), f"cancelled; only {pressed} pressed")
