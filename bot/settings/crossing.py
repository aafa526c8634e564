"""Settings that are sound by themselves and can't stand beside each other."""

from __future__ import annotations

from collections.abc import Mapping


def port_mistakes(raw: Mapping[str, str], web_port: int) -> list[str]:
    """`raw` are the variables as they were written; `web_port` is the default."""
    web, metrics = (_port(raw.get(name, "")) for name in ("WEB_PORT", "METRICS_PORT"))
    # 0 lets the system choose, for each another.
    if metrics and metrics == (web_port if web is None else web):
        return [
            f"METRICS_PORT and WEB_PORT are both {metrics}. Set METRICS_PORT to another, or leave it empty: "
            "then /metrics is on WEB_PORT."
        ]
    return []


def _port(text: str) -> int | None:
    """What is no number is a mistake of its own."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
