"""A ping tells a broken machine from a backend that is away, and finds its return."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace

import pytest

from bot.breakers import BUSY, MACHINE, BackendBreakers
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
from bot.effects import Effects
from bot.worker import Later
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
        effects = Effects(
            now=lambda: NOW + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            random=Random(1),
        )
        parts = {"store": SimpleNamespace(claims=self), "catalogue": SimpleNamespace(get=lambda _: self)}
        app = app_with(backend=self, wakeups=Wakeups(), effects=effects, **parts)
        self.breakers = BackendBreakers(app)

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
        while not isinstance(guards := await self.breakers.claim(1), Later):
            for guard in guards:
                await self.breakers.probe(guard)

    def begin(self, run: Run) -> None:
        """Claim a run for its queue call."""
        self.breakers.calls[run.key] = (run.deployment, self.seconds)

    def admitted(self) -> tuple[bool, bool]:
        """Return whether runs of the deployments `mine` and `other` may start."""
        return self.breakers.limit("mine") != 0, self.breakers.limit("other") != 0


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
    assert type(await world.breakers.failed(run(), error)) is blamed
    assert world.admitted() == held
    assert world.breakers.service.is_open is (held == EVERYTHING)
    assert set(world.breakers.broken) == ({"mine"} if held == MINE else frozenset())
    world.fault = None
    await world.later(10)
    assert world.rechecked == (blamed in (BackendServerError, BackendUnreachable))


@pytest.mark.parametrize(("fault", "away", "held"), [(None, False, NOTHING), (DOWN, True, EVERYTHING)])
async def test_an_outage_is_told_from_a_run_that_can_not_be_read(
    world: World, fault: BackendError | None, away: bool, held: tuple[bool, bool]
) -> None:
    world.fault = fault
    assert await world.breakers.is_away() is away
    assert world.admitted() == held
    world.fault = None
    await world.later(10)
    assert world.admitted() == NOTHING
    assert world.rechecked == away


async def test_after_an_outage_one_run_of_each_deployment_is_tried_first(world: World) -> None:
    world.fault = DOWN
    assert await world.breakers.is_away()
    world.fault = None
    assert await world.breakers.is_away()  # while the breaker is open, it isn't asked
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
    await world.breakers.failed(run("a"), BackendForbidden())
    assert world.admitted() == NOTHING


async def test_a_broken_machine_is_tried_with_one_run_at_a_time_and_only_its_runs_are_told(
    world: World,
) -> None:
    world.begin(run("old"))
    world.seconds += 1
    for number in range(5):
        world.begin(run())
        assert world.admitted() == (number == 0, True)
        await world.breakers.failed(run(), BackendServerError(status=500))
        world.breakers.calls.pop(run().key)
        assert world.admitted() == MINE
        await world.later(10)
        assert world.admitted() == NOTHING
    assert set(world.told) == {(MACHINE, "mine")}
    assert world.rechecked == 0
    world.breakers.succeeded(run("old"))
    assert set(world.breakers.broken) == {"mine"}
    world.begin(run())
    world.breakers.succeeded(run())
    assert not world.breakers.broken


async def test_a_pause_that_the_backend_asks_for_is_kept_and_told_once_it_lasts(world: World) -> None:
    await world.breakers.failed(run(), BackendRateLimited(retry_after=600))
    await world.breakers.failed(run("b", "other"), BackendServerError(status=500))
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
    assert await world.breakers.is_away()
    world.fault = BackendRateLimited(retry_after=600)
    await world.later(10)
    world.fault = None
    for seconds, admitted in ((580, EVERYTHING), (30, NOTHING)):
        await world.later(seconds)
        assert world.admitted() == admitted
    world.fault = BackendRateLimited(retry_after=600)
    assert await world.breakers.is_away()
    world.fault = None
    await world.later(580)
    assert world.admitted() == EVERYTHING
