"""Find settings that contradict each other, and mistakes in deployments.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.comfydeploy.input_classes import input_class
from bot.config.roles import ALL_ROLES, role_names, shard_mistakes
from bot.deployments.config_file import load_deployments_file
from bot.domain.errors import StartupError
from bot.domain.text import excerpt

DEFAULT_DEPLOYMENTS_FILE = Path("deployments.toml")
NO_DEPLOYMENT = (
    "No deployment is named. Set COMFYDEPLOY_DEPLOYMENT_ID to the id of one deployment, "
    "or describe several in deployments.toml."
)
TWO_SOURCES = (
    "COMFYDEPLOY_DEPLOYMENT_ID and DEPLOYMENTS_FILE are both set. Keep DEPLOYMENTS_FILE and put the "
    "deployment into that file, or keep COMFYDEPLOY_DEPLOYMENT_ID and remove DEPLOYMENTS_FILE."
)


def deployment_mistakes(raw: Mapping[str, str]) -> list[str]:
    """Return the mistakes in how deployments are configured, as sentences.

    `raw` holds the variables as the operator wrote them.
    """
    file, single = raw.get("DEPLOYMENTS_FILE"), raw.get("COMFYDEPLOY_DEPLOYMENT_ID")
    if file and single:
        return [TWO_SOURCES]
    if single:
        return []
    path = Path(file) if file else DEFAULT_DEPLOYMENTS_FILE
    try:
        return _file_mistakes(file, path)
    except OSError as error:
        return [f"{_file_subject(file)} can't be read: {error.strerror}."]


def _file_mistakes(file: str | None, path: Path) -> list[str]:
    if path.is_dir():
        return [f"{_file_subject(file)} is a folder. Name the file in it."]
    if not path.is_file():
        return [f"{_file_subject(file)} doesn't exist."] if file else [NO_DEPLOYMENT]
    try:
        load_deployments_file(path, input_class)
    except StartupError as error:
        return list(error.mistakes)
    return []


def _file_subject(file: str | None) -> str:
    return f"DEPLOYMENTS_FILE names {excerpt(file)}, which" if file else str(DEFAULT_DEPLOYMENTS_FILE)


def port_mistakes(raw: Mapping[str, str], web_port: int) -> list[str]:
    """Return a sentence if METRICS_PORT and WEB_PORT are the same port.

    `raw` holds the variables as the operator wrote them. `web_port` is the default of WEB_PORT.
    """
    web, metrics = (_number(raw.get(name, "")) for name in ("WEB_PORT", "METRICS_PORT"))
    # With 0 the system picks a different port for each.
    if metrics and metrics == (web_port if web is None else web):
        return [
            f"METRICS_PORT and WEB_PORT are both {metrics}. Set METRICS_PORT to another, or leave it empty: "
            "then /metrics is on WEB_PORT."
        ]
    return []


def sharding_mistakes(raw: Mapping[str, str]) -> list[str]:
    """Return a sentence if SHARD_COUNT and SHARD_IDS contradict each other."""
    ids = [_number(part) for part in raw.get("SHARD_IDS", "").split(",") if part.strip()]
    count = _number(raw.get("SHARD_COUNT", ""))
    if None in ids or (count is None and "SHARD_COUNT" in raw):
        return []
    return shard_mistakes(count, [number for number in ids if number is not None])


def sqlite_mistakes(raw: Mapping[str, str], default_url: str) -> list[str]:
    """Return a sentence for each setting that splits the bot over several processes although the database is
    SQLite.

    `default_url` is used if `raw` has no DATABASE_URL.
    """
    if not raw.get("DATABASE_URL", default_url).strip().startswith("sqlite"):
        return []
    roles = role_names(raw.get("ROLES", ""))
    ids = {_number(part) for part in raw.get("SHARD_IDS", "").split(",") if part.strip()}
    count = _number(raw.get("SHARD_COUNT", ""))
    return [
        f"{name} splits the bot over several processes, and SQLite belongs to one. "
        f"Name a PostgreSQL database in DATABASE_URL, or leave {name} empty."
        for name, is_split in (
            ("ROLES", bool(roles) and roles < ALL_ROLES),
            ("SHARD_IDS", count is not None and None not in ids and 0 < len(ids) < count),
        )
        if is_split
    ]


def _number(text: str) -> int | None:
    """Return the number, or None if the text is empty, isn't a number, or has more than six digits.

    Field validation reports invalid text.
    """
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
