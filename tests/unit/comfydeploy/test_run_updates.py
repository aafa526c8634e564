"""Webhooks and reports from anyone: a RunUpdate with its outputs or a BackendBadReply, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfydeploy import wire
from bot.comfydeploy.wire import STATES, clean_filename, parse_outputs, parse_run, parse_webhook
from bot.domain.errors import BackendBadReply
from bot.domain.runs import FINAL, Output, RunState, RunUpdate
from tests.unit.comfydeploy.samples import encode, names, sample

RUN_ID = "a54c3a98-5e73-4435-9f53-72c06e4c4e73"


def hook(**fields: Any) -> bytes:
    return json.dumps({"event_type": "run.updated", "run_id": RUN_ID, **fields}).encode()


def run_update(**fields: Any) -> RunUpdate:
    return parse_webhook(hook(**fields))


def answered(**fields: Any) -> RunUpdate:
    """Return the report in an answer of GET /run."""
    return parse_run(json.dumps({"id": RUN_ID, **fields}).encode())


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *((word, RunState.QUEUED) for word in ("not-started", "queued")),
        *((word, RunState.RUNNING) for word in ("started", "running", "processing")),
        ("uploading", RunState.UPLOADING),
        *((word, RunState.SUCCEEDED) for word in ("success", "completed")),
        *((word, None) for word in ("paused", None)),
    ],
)
def test_status_words_of_both_dialects_have_their_state(word: str | None, state: RunState | None) -> None:
    assert run_update(status=word).state is answered(status=word).state is state


@pytest.mark.parametrize(
    ("word", "given_progress", "share"),
    [
        ("running", 0.20999999344348907, 0.21),
        ("running", 0.123456, 0.1235),
        ("running", 1.5, 1.0),
        ("running", 1.51, 0.0151),
        ("running", 45, 0.45),
        ("completed", 100, 1.0),
        ("success", 1, 1.0),
        ("running", -3, 0.0),
        ("processing", 1e300, 1.0),
        ("running", 10**400, 1.0),
        ("running", None, None),
    ],
)
def test_progress_is_a_share_in_either_dialect(word: str, given_progress: Any, share: float | None) -> None:
    assert run_update(status=word, progress=given_progress).progress == share
    assert answered(status=word, progress=given_progress).progress == share


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        *(("not JSON: ", body) for body in (b"", b"no json", b"top-secret", b"\xff\xfe{}")),
        *(("not JSON: ", body) for body in (b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000)),
        *(("not JSON: ", hook(**{key: float("nan")})) for key in ("progress", "unknown")),
        *(("not a JSON object", body) for body in (b'["secret"]', b"null")),
        *(("run_id is not", hook(run_id=odd)) for odd in (None, "secret", f"{RUN_ID}\n", f"{{{RUN_ID}}}")),
    ],
)
def test_a_malformed_webhook_is_a_wire_error(reason: str, body: bytes) -> None:
    with pytest.raises(BackendBadReply, match=f"^{reason}") as told:
        parse_webhook(body)
    assert "secret" not in str(told.value)  # the body is not quoted


def test_a_live_status_is_short_and_without_control_characters() -> None:
    phrase = run_update(live_status="Exec\x00\x1b[31muting " + "K" * 5000).live_status
    assert phrase is not None
    assert phrase.startswith("Exec[31muting KKK")
    assert len(phrase) == 200


ODD = {"status": 3, "progress": "half", "outputs": {}, "queue_position": -1, "gpu": 7, "run_duration": "x"}


def test_a_field_of_the_wrong_type_is_absent() -> None:
    assert answered(live_status=5, **ODD) == run_update(event_type=1, **ODD) == RunUpdate(run_id=RUN_ID)
    for odd in (b"1e999", b"-1e999", b"true"):
        assert parse_webhook(hook(progress=0).replace(b" 0", odd)).progress is None


def test_get_run_reads_the_gpu_and_its_outputs() -> None:
    read = answered(outputs=[{"data": {"text": ["hi"]}}], gpu="A10G", run_duration=12.34567)
    assert read == RunUpdate(
        run_id=RUN_ID, outputs=(Output("text", text="hi"),), gpu="A10G", run_duration=12.346
    )


@pytest.mark.parametrize(
    ("number", "kept"), [(0, 0), (1, 1), (2**31 - 1, 2**31 - 1), (2**31, None), (-1, None), (True, None)]
)
def test_durations_and_positions_fit_into_32_bits(number: int, kept: int | None) -> None:
    ahead = number - 1 if number is not True else True  # positions count from one
    read = answered(run_duration=number, queue_position=ahead)
    assert (read.run_duration, read.queue_position) == (kept, kept or None)


# The recorded exchanges.

RUNS = [name for name in names("run_") if "webhooks" in sample(name)]

ENDS = {
    "run_cancelled_by_api": RunState.CANCELLED,
    "run_failed_plain": RunState.FAILED,
    "run_timeout_serverless": RunState.TIMED_OUT,
}


def webhooks(name: str, *kinds: str) -> list[RunUpdate]:
    """Return the webhooks with these event types, or all."""
    bodies = [hook["body"] for hook in sample(name)["webhooks"]]
    return [parse_webhook(encode(body)) for body in bodies if not kinds or body["event_type"] in kinds]


@pytest.mark.parametrize("name", RUNS)
def test_the_answers_and_webhooks_of_a_recorded_run_name_it_and_its_state(name: str) -> None:
    recorded = sample(name)
    assert (
        wire.uuid_of(wire.load(encode(recorded["queue"]["response"]["body"]), dict), "run_id")
        == recorded["run_id"]
    )
    events = webhooks(name)
    assert {event.run_id for event in events} == {recorded["run_id"]}
    assert None not in {event.state for event in events}
    assert {event.state for event in events} & FINAL == {ENDS.get(name, RunState.SUCCEEDED)}
    assert all(event.progress is not None and 0 <= event.progress <= 1 for event in events)
    bodies = [answered["body"] for answered in recorded["get_run_states"]]
    assert bodies
    for body in bodies:
        run_update = parse_run(encode(body))
        ahead = body["queue_position"]
        assert (run_update.run_id, run_update.state) == (recorded["run_id"], STATES[body["status"]])
        assert run_update.queue_position == (None if ahead is None else ahead + 1)


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


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
)
hooks = st.fixed_dictionaries(
    {name: st.just(RUN_ID) | values for name in ("run_id", "id")},
    optional={
        "status": st.sampled_from(sorted(STATES)) | values,
        "outputs": st.lists(st.fixed_dictionaries({"data": st.dictionaries(st.text(), values)})) | values,
        **dict.fromkeys(("progress", "live_status", "event_type"), scalars),
    },
)


@pytest.mark.parametrize("parse", [parse_webhook, parse_run])
@given(st.binary() | (values | hooks).map(lambda value: json.dumps(value).encode()))
def test_any_body_is_a_report_or_a_wire_error(parse: Callable[[bytes], RunUpdate], body: bytes) -> None:
    try:
        told = parse(body)
    except BackendBadReply:
        return
    assert told.state is None or isinstance(told.state, RunState)
    assert told.progress is None or 0.0 <= told.progress <= 1.0
    assert all((output.url is None) != (output.text is None) for output in told.outputs)
    assert "\x00" not in repr(told)


# Outputs.


def entry(**data: Any) -> dict[str, Any]:
    return {"data": data}


def file(name: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://cdn.example/{name}", "type": "output", "filename": name, **more}


LONGEST = "https://x/".ljust(wire.MAX_URL, "y")
INVALID = ("", "https://x/ y", "https://x/\n", LONGEST + "y", 5, None)


@pytest.mark.parametrize(
    "odd",
    [
        *(None, {}, "x", [None], ["x"], [{"data": None}], [entry(images=[{}])]),
        # Previews, flags and blank texts.
        [entry(images=[{"type": "temp", "filename": "p.png"}, file("t.png", type="temp")])],
        [entry(animated=[True], text=["", " \n"])],
        *([entry(images=[{"url": url, "type": "output"}])] for url in INVALID),
    ],
    ids=range(15),
)
def test_what_is_no_output_is_left_out(odd: Any) -> None:
    assert parse_outputs(odd) == ()


def test_outputs_are_kept_once_up_to_their_limits() -> None:
    assert parse_outputs([entry(images=[{"url": LONGEST}])]) == (Output("images", url=LONGEST),)
    assert parse_outputs([entry(text="a\n\tb\x00\x1b c")])[0].text == "a\n\tb c"
    twice = parse_outputs([entry(images=[file("a.png")], files=[file("a.png")], text=["x", "x"])])
    assert [output.kind for output in twice] == ["images", "text"]
    assert len(parse_outputs([entry(text=[*["x"] * 5000, "too late"])])) == 1
    assert len(parse_outputs([entry(images=[file(f"{n}.png") for n in range(5000)])])) == wire.MAX_OUTPUTS
    texts = [letter * (wire.MAX_TEXT + 1) for letter in "abcdef"]
    found = parse_outputs([entry(text=[*texts, "short"], images=[{"url": "https://x/a"}])])
    assert max(len(output.text or "") for output in found) == wire.MAX_TEXT
    assert sum(len(output.text or "") for output in found) == wire.MAX_ALL_TEXT
    assert found[-1] == Output("images", url="https://x/a")


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/XpasswdX", "XpasswdX"),
        ("C:\\temp\\a.png", "a.png"),
        ("a\x00.png", "a.png"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        *((none, None) for none in ("..", "dir/", "", 7)),
        (" . a.png. ", "a.png"),
        ("x" * 146 + ".png", "x" * 146 + ".png"),
        ("v1." + "x" * 300 + ".png", "x" * 146 + ".png"),
    ],
)
def test_a_file_name_is_the_last_part_visible_and_at_most_150_long(
    given_name: object, kept: str | None
) -> None:
    assert clean_filename(given_name) == kept
