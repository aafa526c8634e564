"""The fake ComfyDeploy's parts that need no socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from demo.fake_comfydeploy.call_log import CallLog, QueueCall
from demo.fake_comfydeploy.deployments import slow
from demo.fake_comfydeploy.faults import FaultPlan, Faults
from demo.fake_comfydeploy.files import Bucket
from demo.fake_comfydeploy.runs import Run, RunBook
from demo.fake_comfydeploy.wire import api_time, single, webhook_time

NOON = datetime(2026, 11, 24, 12, 0, 33, 439000, tzinfo=UTC)
PATH = "outputs/runs/1/ComfyUI 00002 ü.png"


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def run(status: str = "success") -> Run:
    return Run(
        deployment=slow(),
        inputs={},
        webhook=None,
        intermediate=False,
        gpu=None,
        created_at=NOON,
        plan=FaultPlan(),
        status=status,
    )


def test_times_are_written_as_recorded() -> None:
    assert (api_time(NOON), webhook_time(NOON)) == ("2026-11-24T12:00:33.439000Z", "2026-11-24T12:00:33.439Z")


def test_a_whole_second_loses_its_seconds_in_webhooks() -> None:
    assert webhook_time(NOON.replace(microsecond=0)) == "2026-11-24T12:00Z"


def test_stored_progress_has_the_recorded_noise() -> None:
    assert [single(0.12), single(0.17)] == [0.11999999731779099, 0.17000000178813934]


def test_a_signed_url_opens_for_an_hour() -> None:
    clock = Clock()
    bucket = Bucket(clock, private=True)
    signed = query(bucket.link(PATH))
    assert bucket.refusal(PATH, signed) is None
    clock.time += timedelta(hours=1, seconds=1)
    assert bucket.refusal(PATH, signed) == "Request has expired"


def test_a_changed_or_missing_signature_is_refused() -> None:
    bucket = Bucket(Clock(), private=True)
    signed = query(bucket.link(PATH))
    assert bucket.refusal("outputs/runs/2/other.png", signed) == "Access Denied"
    assert bucket.refusal(PATH, signed | {"X-Amz-Expires": "999999"}) == "Access Denied"
    assert bucket.refusal(PATH, {}) == "Access Denied"


def test_links_are_quoted_as_recorded() -> None:
    assert Bucket(Clock()).link(PATH).endswith("/ComfyUI%2000002%20%C3%BC.png")


def test_the_bucket_forgets_the_oldest_files_beyond_its_limit() -> None:
    bucket = Bucket(Clock(), limit=10)
    for name in ("a", "b", "c"):
        bucket.put(name, b"1234", "image/png")
    assert [bucket.get(name) is None for name in ("a", "b", "c")] == [True, False, False]


def test_ended_runs_beyond_the_limit_are_forgotten_and_running_ones_kept() -> None:
    book = RunBook(limit=2)
    runs = [run("running"), run(), run(), run("running")]
    for each in runs:
        book.add(each)
    assert [book.get(each.id) is not None for each in runs] == [True, False, False, True]


def test_the_books_stay_bounded() -> None:
    call_log = CallLog(limit=3)
    for at in range(5):
        call_log.queue_calls.append(QueueCall(at=at, body={"webhook": f"http://bot/key-{at}"}))
    assert [len(call_log.calls_for(f"key-{at}")) for at in range(5)] == [0, 0, 1, 1, 1]


def test_faults_set_for_the_next_calls_come_first_and_once() -> None:
    plan = FaultPlan()
    plan.queue_up([Faults(queue_drop=True)])
    assert plan.take() == Faults(queue_drop=True)
    assert plan.take() is None
