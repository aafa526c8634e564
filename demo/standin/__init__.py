"""A local stand-in for ComfyDeploy: the same API, slips included. It imports nothing of the bot."""

from demo.standin.faults import CHAOS, Chaos, Faults
from demo.standin.server import API_KEY, StandIn

__all__ = ["API_KEY", "CHAOS", "Chaos", "Faults", "StandIn"]
