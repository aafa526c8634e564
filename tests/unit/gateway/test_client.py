"""What becomes of an interaction whose answer Discord refuses."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock, Mock

import discord
import pytest

from bot.gateway.client import tell, tell_error


@pytest.mark.parametrize("code", [10062, 40060, 10008, 50027])
async def test_nothing_more_is_sent_once_discord_has_refused_the_answer(code: int) -> None:
    response: Any = AsyncMock(status=404, reason="Not Found")
    interaction = AsyncMock()
    await tell_error(interaction, discord.NotFound(response, {"code": code, "message": ""}))
    assert not interaction.mock_calls


async def test_a_file_that_discord_refuses_is_an_error_which_becomes_a_sentence() -> None:
    interaction = AsyncMock(extras={}, response=Mock())
    interaction.followup.send.side_effect = ConnectionError
    with pytest.raises(ConnectionError):
        await tell(interaction, file=("words.txt", b"fox"))
    await tell(interaction, "A sentence is only logged.")
