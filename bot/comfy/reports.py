"""What ComfyDeploy reports of a run, by webhook or by GET /run, in either of its dialects.

The service's own words are `not-started` … `success` with progress 0..1; its documentation site shows
`queued` `processing` `completed` with progress up to 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.comfy.body import WireError, load_object, uuid_of
from bot.comfy.outputs import MAX_WORD, parse_outputs
from bot.domain.runs import RunReport, RunState
from bot.domain.text import clean_text

STATES: Mapping[str, RunState] = {
    "not-started": RunState.QUEUED,
    "queued": RunState.QUEUED,
    "started": RunState.RUNNING,
    "running": RunState.RUNNING,
    "processing": RunState.RUNNING,
    "uploading": RunState.UPLOADING,
    "success": RunState.SUCCEEDED,
    "completed": RunState.SUCCEEDED,
    "failed": RunState.FAILED,
    "timeout": RunState.TIMED_OUT,
    "cancelled": RunState.CANCELLED,
}
_PERCENT_WORDS = frozenset({"processing", "completed"})
# Words of both dialects leave the scale open: float noise never carries a share this far above 1.
_SURELY_PERCENT = 1.5
_INFINITY = float("inf")


def parse_webhook(body: bytes) -> RunReport:
    """A webhook's body, or WireError. Strict where a sender could lie, liberal inside `outputs`.

    Of a `run.output` no outputs are taken: it holds one of the run's, under a link that need not open, and
    the status of that moment. By what it says the others would be missing.
    """
    data = load_object(body)
    word = _optional(data, "status", str)
    outputs = _optional(data, "outputs", list)
    if _optional(data, "event_type", str) == "run.output":
        outputs = None
    return RunReport(
        run_id=uuid_of(data, "run_id"),
        state=STATES.get(word) if word else None,
        live_status=_phrase(_optional(data, "live_status", str)),
        progress=_share(data.get("progress"), word),
        outputs=parse_outputs(outputs) if outputs else (),
    )


def parse_run(body: bytes) -> RunReport:
    """The answer of GET /run/{id}. Only the id has to be right: an odd field reads as absent."""
    data = load_object(body)
    word = _if(data.get("status"), str)
    position = _if(data.get("queue_position"), int)
    return RunReport(
        run_id=uuid_of(data, "id"),
        state=STATES.get(word) if word else None,
        live_status=_phrase(_if(data.get("live_status"), str)),
        progress=_share(_number(data.get("progress")), word),
        outputs=parse_outputs(data.get("outputs")),
        queue_position=position if position is not None and 0 <= position < 2**31 else None,
        gpu=_phrase(_if(data.get("gpu"), str)),
        run_duration=_seconds(data.get("run_duration")),
        cold_start_duration=_seconds(data.get("cold_start_duration")),
    )


def _optional(data: dict[str, Any], field: str, kind: type) -> Any:
    value = data.get(field)
    if value is not None and type(value) is not kind:
        raise WireError(f"{field} has the wrong type")
    return value


def _if(value: object, kind: type) -> Any:
    return value if type(value) is kind else None


def _phrase(value: str | None) -> str | None:
    return clean_text(value, MAX_WORD) or None if value else None


def _number(value: object) -> int | float | None:
    if type(value) is not int and type(value) is not float:
        return None
    return value if -_INFINITY < value < _INFINITY else None


def _share(value: object, word: str | None) -> float | None:
    """0..1 without the service's float noise (0.20999999344348907). Clamped first: a number may be huge."""
    number = _number(value)
    if number is None:
        if value is None:
            return None
        raise WireError("progress is not a finite number")
    bounded = min(max(number, 0), 100)
    if word in _PERCENT_WORDS or bounded > _SURELY_PERCENT:
        bounded /= 100
    return round(min(bounded, 1.0), 4)


def _seconds(value: object) -> float | None:
    number = _number(value)
    return None if number is None or not 0 <= number < 2**31 else round(float(number), 3)
