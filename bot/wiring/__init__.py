"""How the parts know each other, role by role. Each gets what it uses, and nothing else."""

from __future__ import annotations

from bot.wiring.assembly import App, assemble
from bot.wiring.foundations import Foundations

__all__ = ["App", "Foundations", "assemble"]
