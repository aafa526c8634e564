"""The places of a channel in a courier, and the limit of slow downloads."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from itertools import count

from bot.delivery.pace.places import PER_CHANNEL, WIDTH, Places
from bot.domain.results.deliveries import Delivery, Purpose
from tests.unit.factories import made_run

_ids = count(1)


def delivery(channel: int = 1, server: int = 1, purpose: Purpose = Purpose.OUTCOME, **more: int) -> Delivery:
    run = made_run(channel_id=channel, guild_id=server, **more)
    return Delivery(
        id=next(_ids),
        run=run,
        purpose=purpose,
        tries=1,
        route=0,
        attempted=False,
        attempted_at=None,
        messages=(),
        batch=(run,),
    )


def test_a_channel_is_full_while_its_places_are_taken() -> None:
    places = Places()
    with ExitStack() as held:
        for _ in range(PER_CHANNEL):
            assert places.full() == frozenset()
            taken = delivery(channel=1)
            places.take(taken)
            held.enter_context(places.held(taken))
        places.take(delivery(channel=2))
        assert places.full() == {1}
        assert places.busy() == {1, 2}
    assert places.full() == frozenset()
    assert places.busy() == {2}


def test_a_slow_download_frees_its_channel() -> None:
    places, slow = Places(), [delivery() for _ in range(PER_CHANNEL)]
    for taken in slow:
        places.take(taken)
    assert places.move_to_slow(slow[0])
    assert places.full() == frozenset()
    assert places.deliveries() == {each.id for each in slow}
    with places.held(slow[0]):
        pass
    assert places.deliveries() == {slow[1].id}


def test_slow_downloads_of_one_server_end_where_those_of_another_begin() -> None:
    places, slow = Places(), []
    while places.move_to_slow(another := delivery(channel=len(slow), server=1)):
        slow.append(another)
    assert places.move_to_slow(delivery(server=2))
    with places.held(slow[0]):
        pass
    assert places.move_to_slow(delivery(server=1))


def test_slow_downloads_never_take_the_places_of_fifty_channels() -> None:
    places, slow = Places(), 0
    while places.move_to_slow(delivery(channel=slow, server=slow)):
        slow += 1
    assert WIDTH - slow == 50 * PER_CHANNEL


def test_each_purpose_counts_for_its_own_channel() -> None:
    more = {"review_channel_id": 5, "report_channel_id": 6, "requester_id": 7}
    made = [replace(delivery(channel=4, purpose=purpose, **more), shared_to=8) for purpose in Purpose]
    found = {each.purpose: each.destination for each in made}
    assert found == {
        Purpose.OUTCOME: 4,
        Purpose.LATE: 4,
        Purpose.REMOVAL: 4,
        Purpose.REVIEW: 5,
        Purpose.CARD: 5,
        Purpose.REPORT: 6,
        Purpose.NOTICE: 7,
        Purpose.SINGLE: 8,
        Purpose.SHARE: 8,
    }
