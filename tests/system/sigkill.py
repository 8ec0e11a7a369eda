# ruff: noqa: T201 - a program whose last line is read by others
"""`make kills`: SIGKILL the real terminal while it sells; ends with one JSON line.

A smoke beside the power cuts, not instead of them: what the kernel holds survives a SIGKILL, so it
says nothing about flushes. It covers what the cuts leave out: the real process, its start, the
control socket, TLS, the printer's pty.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from posfw.journal import reading
from posfw.journal.task import look
from posfw.keys import software
from posfw.sim.rig import TERMINAL, Rig, rig

__all__ = ["Findings", "kill_many"]

READY_LIMIT_S: Final = 2.0
PATIENCE_S: Final = 60.0
CARD: Final = {"pan": "6212345678901232", "expiry": "3012"}
GONE: Final = (OSError, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream)


@dataclass(slots=True)
class Findings:
    """What the kills came to; the first three must be 0."""

    kills: int = 0
    lost: int = 0
    doubled: int = 0
    corrupt: int = 0
    answers: int = 0  # endings that a cashier saw
    unanswered: int = 0  # sales and settlements that a kill ended
    settled: int = 0
    ready_p50_s: float = 0.0
    ready_max_s: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class _Shop:
    around: Rig
    state: Path
    chance: Random
    process: Process | None = None
    ready_s: list[float] = field(default_factory=list)
    seen: dict[str, tuple[str, int]] = field(default_factory=dict)
    unanswered: int = 0
    settled: int = 0

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        async with await anyio.connect_unix(self.state / "control.sock") as stream:
            await stream.send(json.dumps(request).encode() + b"\n")
            lines = BufferedByteReceiveStream(stream)
            while True:
                body: dict[str, Any] = json.loads(await lines.receive_until(b"\n", 65536))
                if "progress" not in body:
                    return body

    async def start(self, out: Any) -> None:
        """Start the process; ready is its first line."""
        command = [sys.executable, "-m", "posfw", "run", "--board", "host"]
        places = ["--state", str(self.state), "--site", str(self.around.site)]
        began = time.monotonic()
        self.process = await anyio.open_process([*command, *places], stderr=out)
        assert self.process.stdout is not None
        lines = BufferedByteReceiveStream(self.process.stdout)
        try:
            with anyio.fail_after(PATIENCE_S):
                line = await lines.receive_until(b"\n", 4096)
        except (anyio.IncompleteRead, TimeoutError) as error:
            told = (self.state / "stderr.txt").read_text(errors="replace")[-2000:]
            raise AssertionError(f"life {len(self.ready_s) + 1} did not start: {told}") from error
        assert b"ready" in line, line
        self.ready_s.append(time.monotonic() - began)

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            await self.process.aclose()
            self.process = None

    async def until(self, name: str, *, value: object) -> None:
        with anyio.fail_after(PATIENCE_S):
            while (await self.ask({"do": "status"}))["result"][name] != value:
                await anyio.sleep(0.02)

    async def sell_until_killed(self) -> None:
        try:
            while True:
                await self.sell()
        except GONE:
            self.unanswered += 1

    async def sell(self) -> None:
        """Sell once; a full batch is settled."""
        minor = self.chance.randrange(1, 90) * 100
        self.around.acquirer.faults.lose_answers = int(self.chance.random() < 0.1)
        body = await self.ask({"do": "sale", "amount": f"{minor // 100}.00", "keyed": CARD})
        result = body.get("result", {})
        if "key" in result:
            self.seen[result["key"]] = (result["kind"], minor)
        elif "SET-103" in json.dumps(body):
            await self.until("reversals", value=0)
            await self.ask({"do": "settle"})
            self.settled += 1

    async def life(self, out: Any) -> None:
        """One power-up: start, sell, die somewhere in between."""
        await self.start(out)
        if not (await self.ask({"do": "status"}))["result"]["signed_on"]:
            await self.until("online", value=True)
            await self.ask({"do": "sign_on"})
        async with anyio.create_task_group() as group:
            group.start_soon(self.sell_until_killed)
            await anyio.sleep(self.chance.uniform(0.02, 0.5))
            await self.kill()


async def kill_many(kills: int, seed: int, state: Path) -> Findings:
    """Kill the terminal so many times in an empty folder, then let it end and judge it."""
    began = time.monotonic()
    with (state / "stderr.txt").open("wb") as out:
        async with rig(state) as around:
            shop = _Shop(around, state, Random(seed))
            try:
                for _ in range(kills):
                    await shop.life(out)
                await shop.start(out)
                await shop.until("online", value=True)
                await shop.until("reversals", value=0)
                await shop.until("in_doubt", value=0)
            finally:
                with anyio.CancelScope(shield=True):
                    await shop.kill()
            findings = await anyio.to_thread.run_sync(_judged, shop)
    findings.kills = kills
    findings.seconds = round(time.monotonic() - began, 1)
    return findings


def _judged(shop: _Shop) -> Findings:
    key = software.load(shop.state / "rig" / "keys.json").chain_key()
    with look(shop.state / "journal.db") as run:
        bad = run(reading.verify, key)
        rows = run(_rows)
    ours = {place: minor for place, (state, minor) in rows.items() if state == "approved"}
    theirs = {
        (batch, stan): posting.amount
        for (owner, batch, stan), posting in shop.around.acquirer.bank.postings.items()
        if owner == TERMINAL and posting.live
    }
    lost = [key for key, told in shop.seen.items() if not is_kept(rows, key, told)]
    return Findings(
        lost=len(lost) + len(ours.keys() - theirs.keys()),
        doubled=sum(ours.get(place) != minor for place, minor in theirs.items()),
        corrupt=int(bad is not None),
        answers=len(shop.seen),
        unanswered=shop.unanswered,
        settled=shop.settled,
        ready_p50_s=round(statistics.median(shop.ready_s), 2),
        ready_max_s=round(max(shop.ready_s), 2),
    )


def _rows(sql: Any) -> dict[tuple[int, int], tuple[str, int]]:
    found = sql("SELECT batch, stan, state, amount FROM txn")
    return {(batch, stan): (state, amount) for batch, stan, state, amount in found}


def is_kept(rows: dict[tuple[int, int], tuple[str, int]], key: str, told: tuple[str, int]) -> bool:
    """Whether what a cashier saw of a key is what the journal holds."""
    _, batch, stan = key.split("-")
    state, minor = rows.get((int(batch), int(stan)), ("missing", 0))
    kind = {"reversing": "unknown", "reversed": "unknown"}.get(state, state)
    return (kind, minor) == told


def main() -> int:
    """Kill and tell; return 1 if anything is lost, doubled or corrupt, or a start is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="posfw-kills-") as state:
        found = anyio.run(kill_many, args.kills, args.seed, Path(state))
    print(json.dumps(asdict(found)))
    wrong = found.lost or found.doubled or found.corrupt or found.ready_max_s > READY_LIMIT_S
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
