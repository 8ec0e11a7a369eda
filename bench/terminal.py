"""The whole terminal's claims: CPU of a sale, time to ready, memory after a day."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener, TLSStream

from bench.bare import canned
from bench.claim import Claim, best
from posfw.sim.certificates import make
from posfw.sim.play import play
from posfw.sim.rig import TERMINAL, rig

SALES = int(os.environ.get("BENCH_SALES", "300"))
STARTS = 5

# Runs a terminal for a moment and prints what it has imported that is not posfw's own.
LIBRARIES = """
import os, pathlib, signal, sys, threading, time
def end():
    while not (pathlib.Path(sys.argv[1]) / "control.sock").exists():
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=end, daemon=True).start()
from posfw.cli.main import main
assert main(["run", "--board", "host", "--state", sys.argv[1]]) == 0
names = [n for n in list(sys.modules) if not n.startswith(("posfw", "__main__"))]
print(",".join(sorted(names)))
"""
# Imports the same and says how much memory that takes (kB, /proc/self/status).
IMPORTS = """
import sys, importlib
for name in sys.argv[1].split(","):
    try:
        importlib.import_module(name)
    except ImportError:  # entries of sys.modules that are no modules, such as typing.io
        pass
print([l.split()[1] for l in open("/proc/self/status") if l.startswith("VmRSS")][0])
"""


async def _sales_us(state: Path) -> float:
    async with rig(state) as around:
        around.printer.end_paper()  # slips wait: what drawing them costs is receipt_render's claim
        arguments = [str(state), str(around.site), str(SALES)]
        done = await anyio.run_process(
            [sys.executable, "-m", "bench.till", *arguments], stderr=None
        )
    return float(done.stdout)


async def _bare_us(folder: Path) -> float:
    certificates = make(folder, TERMINAL)
    answer = canned()

    async def serve(stream: TLSStream) -> None:
        async with stream:
            try:
                while True:
                    await stream.receive()
                    await stream.send(answer)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    sockets = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with TLSListener(sockets, context) as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        port = sockets.extra(SocketAttribute.local_port)
        command = [sys.executable, "-m", "bench.bare", str(port), str(folder), str(SALES)]
        done = await anyio.run_process(command, stderr=None)
        group.cancel_scope.cancel()
    return float(done.stdout)


def _in_folder(measure: Callable[[Path], Awaitable[float]]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(measure, Path(folder))


def sale_cpu() -> Claim:
    """CPU of the terminal's process per approved online sale against the bare loop."""
    return Claim(
        best(partial(_in_folder, _sales_us)),
        best(partial(_in_folder, _bare_us)),
        "us CPU",
        1.5,
        "keyed sale, slips queued, not drawn (bench/till.py); other: bench/bare.py (asyncio,"
        " aiosqlite, cbor2, cryptography, TLS)",
    )


def _libraries() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [sys.executable, "-c", LIBRARIES, folder],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]


@contextmanager
def _compiled() -> Iterator[None]:
    """Let child processes keep compiled modules, as an installed terminal has them."""
    before = os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            del os.environ["PYTHONPYCACHEPREFIX"]
            if before is not None:
                os.environ["PYTHONDONTWRITEBYTECODE"] = before


async def _start_s(state: Path) -> float:
    async with rig(state) as around:
        command = [sys.executable, "-m", "posfw", "run", "--board", "host", "--state", str(state)]
        began = time.monotonic()
        async with await anyio.open_process([*command, "--site", str(around.site)]) as process:
            assert process.stdout is not None
            assert b"ready" in await process.stdout.receive()
            took = time.monotonic() - began
            process.terminate()
    return took


def _imports_s(names: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS, names], capture_output=True, check=True)
    return time.monotonic() - began


def start() -> Claim:
    """Time from exec to ready for a card against importing the same libraries."""
    with _compiled():
        names = _libraries()
        ours = min(_in_folder(_start_s) for _ in range(STARTS))
        other = min(_imports_s(names) for _ in range(STARTS))
    return Claim(
        ours * 1e3,
        other * 1e3,
        "ms",
        1.5,
        "exec to ready; other: imports and exit, those behind the first card included (0010)",
    )


async def _rss_kib(state: Path) -> float:
    report = await play(1, state, lambda _: None)
    assert report.balanced
    return report.rss_kib


def rss() -> Claim:
    """Resident memory of the terminal after a day against the same imports alone."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, _libraries()], capture_output=True, text=True, check=True
    )
    return Claim(
        _in_folder(_rss_kib) / 1024,
        float(done.stdout) / 1024,
        "MiB",
        1.6,
        "terminal after posfw day; other: its imports alone",
    )


CLAIMS = {"sale_cpu": sale_cpu, "start": start, "rss": rss}
