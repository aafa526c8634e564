"""A ping tells a broken machine from a backend that is away, and finds its return."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace

import pytest

from bot.context import Wakeups
from bot.domain.errors import (
    BackendBadReply,
    BackendError,
    BackendForbidden,
    BackendMachineFailed,
    BackendRateLimited,
    BackendServerError,
    BackendUnreachable,
)
from bot.domain.runs import Run, RunState
from bot.outside import Outside
from bot.workers.health import BUSY, MACHINE, BackendHealth
from bot.workers.worker import Later
from tests.unit.factories import app_with, made_run

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
DOWN = BackendServerError("503")


class World:
    """A backend that answers as told, and the store that the breakers change."""

    def __init__(self) -> None:
        self.seconds, self.concurrency_limit = 0.0, 5
        self.fault: BackendError | None = None
        self.rechecked = 0
        self.told: list[tuple[str, str | None]] = []
        outside = Outside(
            now=lambda: NOW + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            random=Random(1),
        )
        parts = {"store": SimpleNamespace(claims=self), "catalogue": SimpleNamespace(get=lambda _: self)}
        app = app_with(backend=self, wakeups=Wakeups(), outside=outside, **parts)
        self.health = BackendHealth(app)

    async def ping(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def make_checks_due(self, now: datetime) -> None:
        self.rechecked += 1

    async def hold_queues(self, reason: str, *, deployment: str | None) -> bool:
        self.told.append((reason, deployment))
        return True

    async def later(self, seconds: float) -> None:
        """Let time pass, and make the probes that are due."""
        self.seconds += seconds
        while not isinstance(guards := await self.health.claim(1), Later):
            for guard in guards:
                await self.health.probe(guard)

    def begin(self, run: Run) -> None:
        """Claim a run for its queue call."""
        self.health.calls[run.key] = (run.deployment, self.seconds)

    def admitted(self) -> tuple[bool, bool]:
        """Return whether runs of the deployments `mine` and `other` may start."""
        return self.health.limit("mine") != 0, self.health.limit("other") != 0


@pytest.fixture
def world() -> World:
    return World()


def run(key: str = "r", deployment: str = "mine") -> Run:
    return made_run(RunState.SUBMITTING, key=key, deployment=deployment, deployment_id=deployment)


NOTHING, MINE, EVERYTHING = (True, True), (False, True), (False, False)


@pytest.mark.parametrize(
    ("error", "fault", "held", "blamed"),
    [
        # The service has answered.
        (BackendForbidden(), None, NOTHING, BackendForbidden),
        # The machine fails.
        (BackendServerError(status=500), None, MINE, BackendMachineFailed),
        (BackendBadReply(), None, MINE, BackendBadReply),
        # The backend fails.
        (BackendServerError(status=500), DOWN, EVERYTHING, BackendServerError),
        (BackendUnreachable(), None, EVERYTHING, BackendUnreachable),
        (BackendRateLimited(), None, EVERYTHING, BackendRateLimited),
    ],
)
async def test_one_failed_queue_call_opens_a_breaker(
    world: World,
    error: BackendError,
    fault: BackendError | None,
    held: tuple[bool, bool],
    blamed: type[BackendError],
) -> None:
    world.fault = fault
    world.begin(run())
    assert type(await world.health.failed(run(), error)) is blamed
    assert world.admitted() == held
    assert world.health.service.is_open is (held == EVERYTHING)
    assert set(world.health.broken) == ({"mine"} if held == MINE else frozenset())
    world.fault = None
    await world.later(10)
    assert world.rechecked == (blamed in (BackendServerError, BackendUnreachable))


@pytest.mark.parametrize(("fault", "away", "held"), [(None, False, NOTHING), (DOWN, True, EVERYTHING)])
async def test_an_outage_is_told_from_a_run_that_can_not_be_read(
    world: World, fault: BackendError | None, away: bool, held: tuple[bool, bool]
) -> None:
    world.fault = fault
    assert await world.health.is_away() is away
    assert world.admitted() == held
    world.fault = None
    await world.later(10)
    assert world.admitted() == NOTHING
    assert world.rechecked == away


async def test_after_an_outage_one_run_of_each_deployment_is_tried_first(world: World) -> None:
    world.fault = DOWN
    assert await world.health.is_away()
    world.fault = None
    assert await world.health.is_away()  # while the breaker is open, it isn't asked
    world.fault = DOWN
    await world.later(5)
    assert world.told == []
    await world.later(3600)
    world.fault = None
    await world.later(10)
    world.begin(run("a"))
    assert world.admitted() == MINE
    world.begin(run("b", "other"))
    assert world.admitted() == EVERYTHING
    await world.health.failed(run("a"), BackendForbidden())
    assert world.admitted() == NOTHING


async def test_a_broken_machine_is_tried_with_one_run_at_a_time_and_only_its_runs_are_told(
    world: World,
) -> None:
    world.begin(run("old"))
    world.seconds += 1
    for number in range(5):
        world.begin(run())
        assert world.admitted() == (number == 0, True)
        await world.health.failed(run(), BackendServerError(status=500))
        world.health.calls.pop(run().key)
        assert world.admitted() == MINE
        await world.later(10)
        assert world.admitted() == NOTHING
    assert set(world.told) == {(MACHINE, "mine")}
    assert world.rechecked == 0
    world.health.succeeded(run("old"))
    assert set(world.health.broken) == {"mine"}
    world.begin(run())
    world.health.succeeded(run())
    assert not world.health.broken


async def test_a_pause_that_the_backend_asks_for_is_kept_and_told_once_it_lasts(world: World) -> None:
    await world.health.failed(run(), BackendRateLimited(retry_after=600))
    await world.health.failed(run("b", "other"), BackendServerError(status=500))
    await world.later(599)
    assert (world.admitted(), world.told) == (EVERYTHING, [])
    world.fault = BackendRateLimited(retry_after=600)
    await world.later(3600)
    world.fault = None
    await world.later(602)
    assert (world.admitted(), set(world.told)) == (NOTHING, {(BUSY, None)})
    assert world.rechecked == 0


async def test_a_probe_or_a_poll_finds_that_the_backend_is_away_and_for_how_long(world: World) -> None:
    world.fault = DOWN
    assert await world.health.is_away()
    world.fault = BackendRateLimited(retry_after=600)
    await world.later(10)
    world.fault = None
    for seconds, admitted in ((580, EVERYTHING), (30, NOTHING)):
        await world.later(seconds)
        assert world.admitted() == admitted
    world.fault = BackendRateLimited(retry_after=600)
    assert await world.health.is_away()
    world.fault = None
    await world.later(580)
    assert world.admitted() == EVERYTHING
