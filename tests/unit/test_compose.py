"""What one `docker compose` command starts belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.config.roles import ALL_ROLES

COMPOSE = Path(__file__).parents[2] / "compose.yaml"


def started(profile: str | None) -> dict[str, Any]:
    """Return the services that `docker compose --profile …` starts when no service is named."""
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return {
        name: service
        for name, service in services.items()
        if not service.get("profiles") or profile in service["profiles"]
    }


def roles(service: dict[str, Any]) -> list[str]:
    """Return a service's roles; one that isn't the bot has none."""
    if "environment" not in service or "DATABASE_URL" not in service["environment"]:
        return []
    named = service["environment"].get("ROLES")
    return named.split(",") if named else [role.value for role in ALL_ROLES]


def test_each_profile_starts_every_role_once() -> None:
    for profile in ("sqlite", "postgres"):
        found = [role for service in started(profile).values() for role in roles(service)]
        assert sorted(found) == sorted(role.value for role in ALL_ROLES), profile


def test_nothing_starts_without_a_profile() -> None:
    assert started(None) == {}
