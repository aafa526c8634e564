"""Parse ComfyDeploy's reports about a run, from a webhook or GET /run, in either of its dialects.

The service itself uses the states `not-started` … `success` with progress from 0 to 1. Its documentation
shows `queued`, `processing` and `completed` with progress up to 100.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from bot.comfydeploy.wire import ECHOED_WEBHOOK, load, number, uuid_of
from bot.domain.runs import Output, RunReport, RunState
from bot.domain.text import clean_text, strip_invisible

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
# Float noise never brings a progress of at most 1 above this value, so a larger one is in percent.
_SURELY_PERCENT = 1.5


def parse_webhook(body: bytes) -> RunReport:
    """Parse a webhook's body. Raises BackendBadReply as `parse_run` does.

    The output of a `run.output` event is ignored. It is only one of the run's outputs, so the others would
    seem to be missing, and its link may not work.
    """
    data = load(body, dict)
    return _report(data, "run_id", () if data.get("event_type") == "run.output" else data.get("outputs"))


def parse_run(body: bytes) -> RunReport:
    """Parse the response of GET /run/{id}. Fields of the wrong type are absent, except the id.

    Raises BackendBadReply if the id is no UUID, or the body no object.
    """
    data = load(body, dict)
    ahead, gpu, seconds = data.get("queue_position"), data.get("gpu"), number(data.get("run_duration"))
    return _report(data, "id", data.get("outputs"))._replace(
        # ComfyDeploy counts from 0.
        queue_position=ahead + 1 if type(ahead) is int and 0 <= ahead < 2**31 - 1 else None,
        gpu=clean_text(gpu, MAX_GPU) or None if isinstance(gpu, str) else None,
        run_duration=round(float(seconds), 3) if seconds is not None and 0 <= seconds < 2**31 else None,
    )


def _report(data: Mapping[str, Any], id_field: str, outputs: object) -> RunReport:
    status, phrase = data.get("status"), data.get("live_status")
    word, progress = status if isinstance(status, str) else "", number(data.get("progress"))
    if progress is not None:
        progress = min(max(progress, 0), 100)
        progress = progress / 100 if progress > _SURELY_PERCENT else progress
    # Rounded, because ComfyDeploy sends float noise (0.20999999344348907).
    return RunReport(
        run_id=uuid_of(data, id_field),
        state=STATES.get(word),
        live_status=clean_text(phrase, MAX_WORD) or None if isinstance(phrase, str) else None,
        progress=None if progress is None else round(min(progress, 1.0), 4),
        outputs=parse_outputs(outputs),
    )


def parse_log(body: bytes) -> list[str]:
    """Parse the response of GET /v2/clickhouse-run-logs/{id}, and return the lines that the machine wrote.

    Raises BackendBadReply if the response isn't a list.
    """
    texts = (entry.get("log") if isinstance(entry, dict) else None for entry in load(body, list))
    lines = (line for text in texts if isinstance(text, str) for line in text.splitlines())
    # The runner itself writes end marks, and deliveries of webhooks with their whole URLs.
    return [line for line in lines if line.strip() not in ("", "__END__") and not ECHOED_WEBHOOK.search(line)]


MAX_OUTPUTS = 200
MAX_TEXT = 100_000
MAX_ALL_TEXT = 500_000  # over all texts of a run; each reader of the row parses them
MAX_URL = 8192
MAX_FILENAME = 150
MAX_WORD = 200
MAX_GPU = 32
_URL = re.compile(rf"[^\s\x00-\x20\x7f-\x9f]{{1,{MAX_URL}}}")


def clean_filename(name: object) -> str | None:
    """Return the last part of a path without invisible characters, or None if nothing is left.

    Of a name that is too long, the end is kept.
    """
    base = re.split(r"[/\\]", name[-1024:])[-1] if isinstance(name, str) else ""
    return strip_invisible(base).strip(" .")[-MAX_FILENAME:] or None


def parse_outputs(entries: object) -> tuple[Output, ...]:
    """Parse at most MAX_OUTPUTS outputs, each URL and each text once.

    Previews (of type `temp`), files without a URL, and texts beyond MAX_ALL_TEXT are left out.
    """
    if not isinstance(entries, list):
        return ()
    unique: dict[tuple[str | None, str | None], Output] = {}
    for output in islice(_outputs(entries), MAX_OUTPUTS * 2):
        unique.setdefault((output.url, output.text), output)
    kept, space = [], MAX_ALL_TEXT
    for output in islice(unique.values(), MAX_OUTPUTS):
        length = len(output.text or "")
        if length <= space:
            space -= length
            kept.append(output)
    return tuple(kept)


def _outputs(entries: list[object]) -> Iterator[Output]:
    """Yield files with a URL, and plain strings. Flags such as `animated: [true]` are ignored."""
    for entry in entries:
        data = entry.get("data") if isinstance(entry, dict) else None
        for name, items in data.items() if isinstance(data, dict) else ():
            kind = clean_text(name, MAX_WORD)
            for item in items if isinstance(items, list) else [items]:
                if isinstance(item, str) and (text := clean_text(item, MAX_TEXT)).strip():
                    yield Output(kind, text=text)
                elif isinstance(item, dict) and item.get("type") != "temp":
                    url = item.get("url")
                    if isinstance(url, str) and _URL.fullmatch(url):
                        yield Output(kind, url=url, filename=clean_filename(item.get("filename")))
