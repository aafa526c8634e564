"""What is wrong with how the settings name deployments, the file's own mistakes included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.deployments.config import load_deployments_file
from bot.domain.errors import StartupError
from bot.domain.text import shown

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
    """`raw` are the variables as they were written; sentences, all at once."""
    file, one = raw.get("DEPLOYMENTS_FILE"), raw.get("COMFYDEPLOY_DEPLOYMENT_ID")
    if file and one:
        return [TWO_SOURCES]
    if one:
        return []
    path = Path(file) if file else DEFAULT_DEPLOYMENTS_FILE
    try:
        return _file_mistakes(file, path)
    except OSError as error:
        return [f"{_named(file)} can't be read: {error.strerror}."]


def _file_mistakes(file: str | None, path: Path) -> list[str]:
    if path.is_dir():
        return [f"{_named(file)} is a folder. Name the file in it."]
    if not path.is_file():
        return [f"{_named(file)} is not there."] if file else [NO_DEPLOYMENT]
    try:
        load_deployments_file(path)
    except StartupError as error:
        return list(error.mistakes)
    return []


def _named(file: str | None) -> str:
    return f"DEPLOYMENTS_FILE names {shown(file)}, which" if file else str(DEFAULT_DEPLOYMENTS_FILE)
