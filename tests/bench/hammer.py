"""Generate load on a local server: `python -m tests.bench.hammer PORT SECONDS PAUSE`.

Standard input is a JSON list of lanes. Each lane is a list of raw requests, which are sent one after the
other over one connection: once if SECONDS is 0, otherwise repeatedly. PAUSE is the time between two requests
of a lane; 0 means as fast as the server answers. Prints a line of JSON. It runs in a separate process without
a client library, so that the server is the bottleneck.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def report(self, wall: float) -> str:
        ranked = sorted(self.seconds) or [0.0]
        return json.dumps(
            {
                "count": len(self.seconds),
                "wall": wall,
                "statuses": self.statuses,
                "p99": ranked[int(0.99 * (len(ranked) - 1))],
            }
        )


async def _answer(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
    return head[9:12].decode()


async def _connection(port: int, requests: list[bytes], until: float, pause: float, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # Spread the connections, because machines don't report at the same instant.
    due = time.perf_counter() + random.uniform(0, pause)
    while requests:
        for content in requests:
            if until and time.perf_counter() >= until:
                return
            if pause:
                due += pause
                await asyncio.sleep(max(due - time.perf_counter(), 0))
            sent = time.perf_counter()
            writer.write(content)
            tally.statuses[await _answer(reader)] += 1
            tally.seconds.append(time.perf_counter() - sent)
        if not until:
            return


async def main() -> None:
    port, seconds, pause = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    lanes = [[text.encode() for text in lane] for lane in json.load(sys.stdin)]
    tally, began = Tally(), time.perf_counter()
    until = began + seconds if seconds else 0.0
    await asyncio.gather(*(_connection(port, lane, until, pause, tally) for lane in lanes))
    sys.stdout.write(tally.report(time.perf_counter() - began) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
