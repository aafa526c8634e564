"""A local fake of ComfyDeploy's API, with the real one's bugs. This package imports nothing from the bot."""

from demo.fake_comfydeploy.faults import CHAOS, Chaos, Faults
from demo.fake_comfydeploy.server import API_KEY, FakeComfyDeploy

__all__ = ["API_KEY", "CHAOS", "Chaos", "FakeComfyDeploy", "Faults"]
