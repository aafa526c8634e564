"""Start bot processes by forking one that has already imported everything, which saves a second for each.

`start` returns a process with the interface of `asyncio.subprocess.Process`. It is a real process with real
sockets and files, so SIGKILL means what it means in production; only its imports are inherited. The server
runs beside each test process and ends with it:

    python -m tests.e2e.fork_server SOCKET
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from tests.fakediscord.patch import point_discord_at

PROJECT = Path(__file__).resolve().parents[2]
# What `python -m bot` and its cogs import, and what they import late.
PRELOADED = (
    "bot.cli",
    "bot.app",
    "tests.e2e.fast_clock",
)


class ForkedProcess:
    """A forked process: `pid`, `returncode`, signals and `wait`, as asyncio has them."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._writer = writer
        self._end = asyncio.create_task(self._read_end(reader))

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    async def _read_end(self, reader: asyncio.StreamReader) -> int:
        line = await reader.readline()
        if not line:
            raise ConnectionError("the fork server is gone")
        self.returncode = int(line)
        self._writer.close()
        return self.returncode


async def start(
    discord_url: str,
    module: str,
    *arguments: str,
    env: Mapping[str, str],
    cwd: Path,
    out: Path | None,
    err: Path,
) -> ForkedProcess:
    """Run `python -m module arguments` with its discord.py pointed at a fake Discord.

    Standard output and error are appended to the files; without `out` there is no output.
    """
    for file in filter(None, (out, err)):
        # The caller may read them before the process has begun.
        file.touch()
    reader, writer = await asyncio.open_unix_connection(_server())
    order = {
        "url": discord_url,
        "argv": [module, *arguments],
        "env": dict(env),
        "cwd": str(cwd),
        "out": str(out) if out else os.devnull,
        "err": str(err),
    }
    writer.write(json.dumps(order).encode() + b"\n")
    return ForkedProcess(int(await reader.readline()), reader, writer)


@cache
def _server() -> str:
    """Start this test process's server and return its address. It ends when its standard input does."""
    folder = tempfile.mkdtemp(prefix="fork-server-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = f"{folder}/socket"
    server = subprocess.Popen(  # noqa: S603  # our own module
        [sys.executable, "-m", "tests.e2e.fork_server", address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    atexit.register(server.wait)
    atexit.register(server.stdin.close)
    return address


class Server:
    """Forks on request, reports how each child ended, and kills a child whose requester has hung up."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        self._children: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        # Ctrl+C ends the tests, and with them this server.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # SIGCHLD does nothing but wake the selector.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno())

    def run(self) -> None:
        """Serve until standard input ends."""
        for source in (self._listener, self._woken, sys.stdin):
            self._selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    for pid in self._children:
                        os.kill(pid, signal.SIGKILL)
                    return
                if key.fileobj is self._listener:
                    self._fork(self._listener.accept()[0])
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._reap()
                else:
                    self._hung_up(key.fd)

    def _fork(self, requester: socket.socket) -> None:
        with requester.makefile("rb") as stream:
            line = stream.readline()
        if not line:
            requester.close()
            return
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line))
        self._children[pid] = requester
        self._selector.register(requester, selectors.EVENT_READ)
        requester.sendall(b"%d\n" % pid)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            requester = self._children.pop(pid)
            with contextlib.suppress(KeyError):
                self._selector.unregister(requester)
            with contextlib.suppress(OSError):
                requester.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            requester.close()

    def _hung_up(self, fd: int) -> None:
        for pid, requester in self._children.items():
            if requester.fileno() == fd:
                self._selector.unregister(requester)
                os.kill(pid, signal.SIGKILL)
                return


def _become(order: dict[str, Any]) -> NoReturn:
    """Run the module in this child as if `python -m` had started it, and exit with its code."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        _redirect(order["out"], order["err"])
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        point_discord_at(order["url"])
        sys.argv = list(order["argv"])
        runpy.run_module(order["argv"][0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(out: str, err: str) -> None:
    """Point the standard streams at files and close every other descriptor, such as the requesters'."""
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        opened = os.open(path, flags | (os.O_CREAT | os.O_APPEND if number else 0), 0o644)
        os.dup2(opened, number)
    os.closerange(3, 4096)


def _preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    for cog in sorted((PROJECT / "cogs").glob("[a-z]*.py")):
        importlib.import_module(f"cogs.{cog.stem}")
    # A collection in a child would otherwise copy every page that it inherits.
    gc.collect()
    gc.freeze()


def main(arguments: Sequence[str]) -> None:
    _preload()
    server = Server(arguments[0])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
