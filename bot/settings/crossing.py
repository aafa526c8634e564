"""Settings that are sound by themselves and can't stand beside each other."""

from __future__ import annotations

from collections.abc import Mapping

from bot.roles import shard_mistakes


def port_mistakes(raw: Mapping[str, str], web_port: int) -> list[str]:
    """`raw` are the variables as they were written; `web_port` is the default."""
    web, metrics = (_number(raw.get(name, "")) for name in ("WEB_PORT", "METRICS_PORT"))
    # 0 lets the system choose, for each another.
    if metrics and metrics == (web_port if web is None else web):
        return [
            f"METRICS_PORT and WEB_PORT are both {metrics}. Set METRICS_PORT to another, or leave it empty: "
            "then /metrics is on WEB_PORT."
        ]
    return []


def shards_mistakes(raw: Mapping[str, str]) -> list[str]:
    """SHARD_COUNT and SHARD_IDS that do not go together; `raw` as above."""
    ids = [_number(part) for part in raw.get("SHARD_IDS", "").split(",") if part.strip()]
    count = _number(raw.get("SHARD_COUNT", ""))
    if None in ids or (count is None and "SHARD_COUNT" in raw):
        return []
    return shard_mistakes(count, [number for number in ids if number is not None])


def _number(text: str) -> int | None:
    """What is no number is a mistake of its own."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
