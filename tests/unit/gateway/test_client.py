"""What becomes of an interaction whose answer Discord refuses."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import discord
import pytest

from bot.gateway.client import tell_error


@pytest.mark.parametrize("code", [10062, 40060, 10008, 50027])
async def test_nothing_more_is_sent_once_discord_has_refused_the_answer(code: int) -> None:
    response: Any = AsyncMock(status=404, reason="Not Found")
    interaction = AsyncMock()
    await tell_error(interaction, discord.NotFound(response, {"code": code, "message": ""}))
    assert not interaction.mock_calls
