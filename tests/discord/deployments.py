"""Texts of deployments.toml."""

from __future__ import annotations

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID


def described(**deployments: str) -> str:
    """Return a deployments.toml with a deployment id for each name, and nothing else."""
    return "".join(f'[deployments.{name}]\ndeployment_id = "{id}"\n' for name, id in deployments.items())


ONE = described(picture=PICTURE_ID)
TWO = described(picture=PICTURE_ID, video=VIDEO_ID)
ADULT = f"{ONE}age_restricted = true\n"
