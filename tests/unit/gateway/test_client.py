"""What becomes of an interaction whose answer Discord refuses."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import discord
import pytest

from bot.gateway.client import tell, tell_error


@pytest.mark.parametrize("code", [10062, 40060, 10008, 50027])
async def test_nothing_more_is_sent_once_discord_has_refused_the_answer(code: int) -> None:
    response: Any = AsyncMock(status=404, reason="Not Found")
    interaction = AsyncMock(client=Mock(is_closed=lambda: False))
    await tell_error(interaction, discord.NotFound(response, {"code": code, "message": ""}))
    assert not interaction.mock_calls


async def test_a_file_that_discord_refuses_is_an_error_which_becomes_a_sentence() -> None:
    interaction = AsyncMock(extras={}, response=Mock())
    interaction.followup.send.side_effect = ConnectionError
    with pytest.raises(ConnectionError):
        await tell(interaction, file=("words.txt", b"fox"))
    await tell(interaction, "A sentence is only logged.")


async def test_an_answer_before_discord_py_notes_the_heartbeat_is_not_late() -> None:
    """At rest, answers within a millisecond were logged as 41.3 s late: as late as the heartbeat before."""
    loop, answered = asyncio.get_running_loop(), asyncio.Event()
    socket: Any = Mock(loop=loop, thread_id=0, _max_heartbeat_timeout=60.0, HEARTBEAT=1, sequence=7)
    heartbeats = discord.gateway.KeepAliveHandler(ws=socket, interval=0.0)
    heartbeats._last_send -= 1000  # the heartbeat before

    async def answer(_: object) -> None:
        heartbeats.ack()
        heartbeats.stop()
        answered.set()

    socket.send_heartbeat = answer
    heartbeats.start()
    await answered.wait()
    await asyncio.get_running_loop().run_in_executor(None, heartbeats.join)
    assert heartbeats.latency < 1000
