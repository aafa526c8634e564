"""Ports of this machine that stay a test's own while its bot is down."""

from __future__ import annotations

import random
import socket
from collections import deque

# Below the range from which Linux takes ports for outgoing connections: one of those would now and then
# have the port of a bot that is being restarted.
_PORTS = range(10_000, 32_768)
_KEPT = 200
_reserved: deque[socket.socket] = deque()


def free_port() -> int:
    """Reserve a port on 127.0.0.1 on which nobody listens, and return it.

    The next 200 calls of any test process get others. A server that sets SO_REUSEADDR, as asyncio's do, can
    listen on it.
    """
    while True:
        probe = socket.socket()
        try:
            probe.bind(("127.0.0.1", random.choice(_PORTS)))
            # Only now: with it, two processes could reserve the same port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError:
            probe.close()
            continue
        _reserved.append(probe)
        if len(_reserved) > _KEPT:
            _reserved.popleft().close()
        return int(probe.getsockname()[1])
