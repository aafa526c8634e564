"""Run PostgreSQL until standard input ends: `python -m tests.simulation.engine.postgres_server FOLDER`.

The server is managed by this separate process, because starting and stopping it needs the real clocks. If the
simulation is killed, its end of the pipe closes, and the server stops.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.databases import PostgresServer


def main(folder: Path) -> None:
    """Start the server, print the folder of its socket, and stop it at the end of standard input."""
    server = PostgresServer(folder)
    try:
        sys.stdout.write(f"{server.server.get_postmaster_info().socket_dir}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
