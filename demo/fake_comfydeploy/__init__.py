"""A fake of ComfyDeploy's API, including its known bugs. This package imports nothing from the bot."""

from demo.fake_comfydeploy.faults import CHAOS, Chaos, Faults
from demo.fake_comfydeploy.server import API_KEY, FakeComfyDeploy

__all__ = ["API_KEY", "CHAOS", "Chaos", "FakeComfyDeploy", "Faults"]
