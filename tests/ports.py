"""Reserve ports of this machine, so that a bot finds its port free each time it starts."""

from __future__ import annotations

import random
import socket
import sys
from collections import deque

# Below the ports that Linux gives to outgoing connections; such a connection could take the port of a bot
# that is being restarted.
_PORTS = range(10_000, 32_768)
_KEPT = 200
_reserved: deque[socket.socket] = deque()


def free_port() -> int:
    """Reserve a port on 127.0.0.1 on which nobody listens, and return it.

    On Linux, the port stays reserved until this process has reserved 200 others. Meanwhile a server can
    listen on it only if it sets SO_REUSEADDR, as asyncio's servers do. On other systems the port isn't kept
    reserved, because no server could listen on it then.
    """
    while True:
        probe, port = socket.socket(), random.choice(_PORTS)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.close()
            continue
        if sys.platform == "linux":
            # Set the option after binding: with it, two processes could reserve the same port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _keep(probe)
        else:
            probe.close()
        return port


def _keep(reserved: socket.socket) -> None:
    _reserved.append(reserved)
    if len(_reserved) > _KEPT:
        _reserved.popleft().close()
