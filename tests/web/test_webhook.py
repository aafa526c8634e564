"""The webhook endpoint: what it records, and what it refuses without a change."""

from __future__ import annotations

from bot.domain.runs import RunState
from tests.web.service import Caller, output

UNREADABLE = (b"", b"null", b"\xff\xfe\x00", b"[" * 100_000)
MEBIBYTE = 1024 * 1024


async def test_a_wrong_secret_is_refused_without_a_word(caller: Caller) -> None:
    before = await caller.run()
    own, _, mac = caller.url.partition("?")[0].rpartition("/")
    another_last = mac[:-1] + ("0" if mac[-1] != "0" else "1")
    wrong = [f"{own}/{each}" for each in ("0" * 32, mac[:-1], another_last, mac.upper(), "%00", "ä")]
    wrong.append(f"{own.replace(caller.key, 'abcdefgh')}/{mac}")
    for url in wrong:
        for method in ("POST", "GET"):
            assert await caller.call(caller.event("failed"), url, method) == (403, "")
    assert await caller.counted() == {"wrong_secret": 2 * len(wrong)}
    assert await caller.run() == before


async def test_what_cannot_be_recorded_is_refused_and_changes_nothing(caller: Caller) -> None:
    before, failed = await caller.run(), caller.event("failed")
    of_another_run = caller.event("failed", run_id="0c9d6a1e-0000-4000-8000-000000000000")
    for body in UNREADABLE:
        assert (await caller.call(body))[0] == 400, body[:60]
    assert (await caller.call(caller.event("failed", live_status="x" * MEBIBYTE)))[0] == 413
    assert (await caller.call(of_another_run))[0] == 409
    assert (await caller.call(failed, caller.signed("nobody")))[0] == 404
    for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        assert (await caller.call(failed, method=method))[0] == 405, method
    counted = {"unreadable": len(UNREADABLE), "too_large": 1, "another_run": 1, "unknown_run": 1}
    assert await caller.counted() == counted
    assert await caller.run() == before


async def test_progress_is_stored_later_and_all_else_at_once(caller: Caller) -> None:
    worker = caller.runner.app.workers["progress"]
    # The first report changes the state.
    assert (await caller.reports(progress=0.2)).progress == 0.2
    for progress, before in ((0.7, 0.2), (0.4, 0.7)):
        assert (await caller.reports(progress=progress)).progress == before
        for reports in await worker.claim(1):
            await worker.handle(reports)
        assert (await caller.run()).progress == 0.7
    with_output = await caller.reports(progress=0.8, outputs=[output()])
    assert ([each.filename for each in with_output.outputs], with_output.progress) == (["a.png"], 0.8)
    assert (await caller.reports(progress=1.0)).progress == 1.0
    assert (await caller.reports("failed")).failure_code == "run_failed"
    # The end of a run discards what was to be stored later.
    await caller.reports(progress=0.9)
    await caller.reports("success", outputs=[output()])
    assert await worker.claim(1) == []


async def test_without_the_database_the_service_is_told_to_come_again(caller: Caller) -> None:
    async def health() -> list[tuple[int, str]]:
        return [await caller.call(b"", f"{caller.base}/{path}", "GET") for path in ("healthz", "readyz")]

    assert (await caller.metrics())["store_up"] == 1
    async with caller.database_away():
        assert (await caller.call(caller.event()))[0] == 503
        assert await health() == [(200, "ok\n"), (503, "not ready\n")]
        assert (await caller.metrics())["store_up"] == 0
        assert await caller.counted() == {"database_away": 1}
    # ComfyDeploy tries again with GET and the same body.
    assert (await caller.call(caller.event(), method="GET"))[0] == 204
    assert (await caller.run()).state is RunState.RUNNING
