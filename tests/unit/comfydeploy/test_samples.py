"""The recorded exchanges, parsed."""

from __future__ import annotations

import pytest

from bot.comfydeploy.reports import STATES, parse_run, parse_webhook
from bot.comfydeploy.wire import load_object, uuid_of
from bot.domain.runs import FINAL, RunReport, RunState
from tests.unit.comfydeploy.samples import encode, names, sample
from tests.unit.deployments.made import recorded_list

RUNS = [name for name in names("run_") if "webhooks" in sample(name)]

ENDS = {
    "run_cancel_of_ended": RunState.SUCCEEDED,
    "run_cancelled_by_api": RunState.CANCELLED,
    "run_failed_plain": RunState.FAILED,
    "run_timeout_serverless": RunState.TIMED_OUT,
}


def webhooks(name: str, *kinds: str) -> list[RunReport]:
    """Return the webhooks with these event types, or all."""
    bodies = [hook["body"] for hook in sample(name)["webhooks"]]
    return [parse_webhook(encode(body)) for body in bodies if not kinds or body["event_type"] in kinds]


@pytest.mark.parametrize("name", RUNS)
def test_the_answers_and_webhooks_of_a_recorded_run_name_it_and_its_state(name: str) -> None:
    recorded = sample(name)
    assert uuid_of(load_object(encode(recorded["queue"]["response"]["body"])), "run_id") == recorded["run_id"]
    events = webhooks(name)
    assert {event.run_id for event in events} == {recorded["run_id"]}
    assert None not in {event.state for event in events}
    assert {event.state for event in events} & FINAL == {ENDS.get(name, RunState.SUCCEEDED)}
    assert all(event.progress is not None and 0 <= event.progress <= 1 for event in events)
    bodies = [answered["body"] for answered in recorded["get_run_states"]]
    assert bodies
    for body in bodies:
        report = parse_run(encode(body))
        ahead = body["queue_position"]
        assert (report.run_id, report.state) == (recorded["run_id"], STATES[body["status"]])
        assert report.queue_position == (None if ahead is None else ahead + 1)


def test_a_success_keeps_the_order_names_and_texts_of_its_outputs() -> None:
    outputs = webhooks("run_success_plain")[-1].outputs
    assert [(o.kind, o.filename, o.text) for o in outputs] == [
        ("text", None, "a red fox"),
        ("images", "ComfyUI_00001_.webp", None),
        ("images", "ComfyUI 00002 ü.png", None),
        ("files", "clip_00001.mp4", None),
    ]
    assert all(o.url and o.url.startswith("http") for o in outputs[1:])
    assert parse_run(encode(sample("run_success_plain")["get_run_states"][-1]["body"])).outputs == outputs


def test_run_output_events_carry_no_outputs() -> None:
    sent = [hook["body"] for hook in sample("run_success_target_output_intermediate")["webhooks"]]
    assert all(body["outputs"] for body in sent if body["event_type"] == "run.output")
    events = webhooks("run_success_target_output_intermediate", "run.output")
    assert [event.outputs for event in events] == [()]


def test_queue_positions_count_from_one_and_must_be_asked_for() -> None:
    exchanges = sample("run_not_started_queue_position")["exchanges"]
    asked = ("run 1 queue_position=true", "run 2 queue_position=true", "run 2 without")
    reports = [parse_run(encode(exchanges[label]["response"]["body"])) for label in asked]
    assert [report.queue_position for report in reports] == [1, 2, None]
    assert {report.state for report in reports} == {RunState.QUEUED}


def test_the_list_keeps_inputs_that_share_an_id() -> None:
    inputs = recorded_list()["odd inputs"].inputs
    assert [each.default for each in inputs if each.key == "dup"] == ["one", "two"]
