"""Random mutations of a valid webhook: none causes a 5xx, and refused ones change nothing."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot.domain.runs import FINAL
from tests.web.service import Caller, output

ODD: list[Any] = [
    *(None, True, -1, 2**70, 1e308, float("inf"), float("nan")),
    *("", "\x00", "\ud800", "x" * 5000, "https://[::1]/", "javascript:alert(1)"),
    *([], {}, [[[[]]]], {"images": [None, {"url": 7}]}),
]


def mutated_event(rng: random.Random, event: dict[str, Any]) -> bytes:
    """Replace some values of the event by odd ones, or damage its bytes."""
    for _ in range(rng.randint(0, 3)):
        _spoil(rng, event)
    body = bytearray(json.dumps(event).encode())
    for _ in range(rng.choice((0, 0, 1, 5))):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
    return bytes(body)


def _spoil(rng: random.Random, node: Any) -> None:
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(node[key], dict | list) and rng.random() < 0.7:
        _spoil(rng, node[key])
    elif isinstance(node, dict) and rng.random() < 0.2:
        del node[key]
    else:
        node[key] = json.loads(json.dumps(rng.choice(ODD)))


def mutated_address(rng: random.Random, url: str) -> str:
    """Replace one character of the run key or of its secret."""
    parts = urlsplit(url)
    path = list(parts.path)
    at = rng.randrange(len("/webhooks/comfydeploy/"), len(path))
    path[at] = rng.choice([letter for letter in "0123456789abcdefxyz-" if letter != path[at]])
    return f"{parts.scheme}://{parts.netloc}{''.join(path)}?{parts.query}"


@pytest.mark.parametrize(
    ("seed", "rounds"), [(0, 300), *(pytest.param(seed, 2_500, marks=pytest.mark.slow) for seed in range(4))]
)
async def test_mutations_are_recorded_or_refused(caller: Caller, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    answers: set[int] = set()
    run = await caller.run()
    for _ in range(rounds):
        # None of these statuses ends the run, so later rounds can change it.
        event = caller.event(rng.choice(("queued", "running", "uploading")), outputs=[output()])
        address = mutated_address(rng, caller.url) if rng.random() < 0.2 else caller.url
        status, text = await caller.call(mutated_event(rng, event), address, rng.choice(("POST", "GET")))
        before, run = run, await caller.run()
        assert run.state not in FINAL
        assert text == "" or status == 404
        assert status == 204 or run == before
        answers.add(status)
    assert {204, 400, 403} <= answers <= {204, 400, 403, 404, 409}
