"""Which deployments the settings name, in a file or by one id."""

from __future__ import annotations

from bot.deployments.config import load_deployments_file, single_deployment
from bot.deployments.schema import DeploymentConfig
from bot.domain.errors import StartupError
from bot.settings import Settings


def configs_of(settings: Settings) -> tuple[DeploymentConfig, ...]:
    """Raises StartupError."""
    if settings.deployments_file is not None:
        return load_deployments_file(settings.deployments_file)
    if settings.comfydeploy_deployment_id is None:
        raise StartupError("Set COMFYDEPLOY_DEPLOYMENT_ID, or describe deployments in deployments.toml.")
    return (single_deployment(str(settings.comfydeploy_deployment_id)),)
