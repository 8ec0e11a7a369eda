"""Plays a day: the real terminal as a child process, its cashier and its acquirer from here."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

from posfw.sim.cards import TestCard, deck
from posfw.sim.rig import TERMINAL, Rig, rig
from posfw.sim.script import Step, script
from posfw.values.errors import DeviceError, MisuseError

__all__ = ["Report", "play"]

READY_S = 20.0
STEP_S = 30.0
Tell = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What a day came to. `problems` is empty if everything ended as it must."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    settlement: dict[str, Any] = field(default_factory=dict)
    bank: dict[str, int] = field(default_factory=dict)
    rss_kib: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether journal and bank agree record by record and every step ended as it must."""
        return not self.problems and bool(self.settlement.get("balanced"))

    def document(self) -> dict[str, Any]:
        """Return the JSON form; no times in it, so the same seed gives the same document."""
        return {
            "schema": "posfw.day",
            "schema_version": 1,
            "seed": self.seed,
            "balanced": self.balanced,
            "counts": dict(sorted(self.counts.items())),
            "journal": self.settlement.get("ours", {}),
            "bank": self.bank,
            "problems": self.problems,
        }


@dataclass(slots=True)
class Day:
    """One day under way."""

    rig: Rig
    state: Path
    report: Report
    group: TaskGroup | None = None
    process: Process | None = None
    approved: list[tuple[str, int]] = field(default_factory=list)
    cards: dict[str, TestCard] = field(default_factory=dict)

    async def ask(self, request: Mapping[str, Any], swiped: str = "") -> dict[str, Any]:
        """Send one request and return its result or error; a card is swiped when asked for."""
        path = self.state / "control.sock"
        async with await anyio.connect_unix(path) as stream:
            await stream.send(json.dumps(request).encode() + b"\n")
            lines = BufferedByteReceiveStream(stream)
            while True:
                body: dict[str, Any] = json.loads(await lines.receive_until(b"\n", 65536))
                if "progress" not in body:
                    return body
                if swiped and body["progress"]["screen"] == "present_card":
                    await self.rig.reader.swipe(self.cards[swiped])

    async def result(self, request: Mapping[str, Any], swiped: str = "") -> dict[str, Any]:
        """Like `ask`, for requests that must not be refused as such.

        Raises:
            MisuseError: the terminal answered with an error.
        """
        body = await self.ask(request, swiped)
        if "error" in body:
            raise MisuseError(f"{request['do']}: {body['error']['cause']}")
        found: dict[str, Any] = body["result"]
        return found

    async def start(self) -> None:
        """Start the terminal and wait until it is ready and online."""
        command = [sys.executable, "-m", "posfw", "run", "--board", "host"]
        places = ["--state", str(self.state), "--site", str(self.rig.site)]
        log = ["--log", str(self.state / "debug.log")]
        self.process = await anyio.open_process([*command, *places, *log], stderr=None)
        if self.process.stdout is None:
            raise MisuseError("The terminal has no standard output.")
        with anyio.fail_after(READY_S):
            lines = BufferedByteReceiveStream(self.process.stdout)
            try:
                await lines.receive_until(b"\n", 4096)
            except anyio.IncompleteRead as error:
                raise DeviceError("The terminal did not start.") from error
        if self.group is not None:
            self.group.start_soon(_drain, lines)
        await self.until("online", value=True)

    async def cut(self) -> None:
        """Cut the power: SIGKILL, nothing is cleaned up."""
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            await self.process.aclose()

    async def until(self, name: str, *, value: object) -> None:
        """Wait until the terminal's status says so."""
        with anyio.fail_after(STEP_S):
            while (await self.result({"do": "status"}))[name] != value:  # noqa: ASYNC110 - another process
                await anyio.sleep(0.02)

    async def sale(self, step: Step) -> dict[str, Any]:
        """Swipe or key a sale and hold its ending against the script."""
        amount = f"{step.amount_minor // 100}.{step.amount_minor % 100:02d}"
        request: dict[str, Any] = {"do": "sale", "amount": amount}
        if not step.swiped:
            request["keyed"] = {"pan": step.card, "expiry": "3012"}
        result = await self.result(request, step.swiped)
        self.judge(step, result)
        if result["ending"] == "success" and step.what != "line_down":
            self.approved.append((result["key"], step.amount_minor))
        return result

    def judge(self, step: Step, result: Mapping[str, Any]) -> None:
        """Count an ending; what is not as expected is a problem of the day."""
        way = " swiped" if step.swiped else ""
        self.report.counts[f"{step.what}{way}: {result['ending']}"] += 1
        if result["ending"] != step.expect:
            self.report.problems.append(f"{step.what} ended as {result['ending']}")
        if step.code and not _told(step.code, result):
            self.report.problems.append(f"decline {step.code} was not told")


async def _drain(stream: ByteReceiveStream) -> None:
    """Read what a process says until it ends, so that it can never wait for room."""
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
        while True:
            await stream.receive()


def _told(code: str, result: Mapping[str, Any]) -> bool:
    """Say whether a decline reached cashier and cardholder in both languages."""
    people = (result.get("cashier", {}), result.get("cardholder", {}))
    texts = [person.get(language) for person in people for language in ("zh", "en")]
    return result.get("response_code") == code and all(texts)


async def _settle(day: Day, _: Step) -> None:
    await day.until("reversals", value=0)
    await day.until("offline_count", value=0)
    batch = int((await day.result({"do": "status"}))["batch"])
    day.report.bank = day.rig.acquirer.bank.totals(TERMINAL, batch)
    day.report.settlement = await day.result({"do": "settle"})
    day.report.counts["settle: success"] += 1
    if day.report.settlement["ours"] != day.report.bank:
        day.report.problems.append("the bank's totals differ")


async def _sale(day: Day, step: Step) -> None:
    await day.sale(step)


async def _against(day: Day, step: Step) -> None:
    key, _ = day.approved.pop(0)
    request: dict[str, Any] = {"do": step.what, "key": key}
    if step.what == "refund":
        request["amount"] = f"0.{step.amount_minor:02d}"
    day.judge(step, await day.result(request))


async def _lost_answer(day: Day, step: Step) -> None:
    day.rig.acquirer.faults.lose_answers = 1
    await day.sale(step)


async def _late_answer(day: Day, step: Step) -> None:
    day.rig.acquirer.faults.hold_answers = 1
    day.rig.acquirer.faults.lose_inquiries = 1
    await day.sale(step)
    await day.until("reversals", value=0)


async def _line_down(day: Day, step: Step) -> None:
    await day.rig.acquirer.set_down(down=True)
    await day.until("online", value=False)
    if (await day.sale(step))["kind"] != "approved_offline":
        day.report.problems.append("a swiped sale was not taken offline")
    await day.sale(replace(step, swiped="", expect="failed"))  # keyed: never offline
    await day.rig.acquirer.set_down(down=False)
    await day.until("online", value=True)
    await day.until("offline_count", value=0)


async def _chip_swipe(day: Day, step: Step) -> None:
    result = await day.sale(step)
    if "此卡为芯片卡,请插卡" not in str(result.get("lines")):
        day.report.problems.append("a chip card was not asked to be inserted")


async def _power_cut(day: Day, step: Step) -> None:
    acquirer = day.rig.acquirer
    acquirer.faults.hold_answers = 1
    asked = acquirer.asked
    keyed = {"pan": step.card, "expiry": "3012"}
    amount = f"{step.amount_minor // 100}.00"

    async def sell() -> None:
        try:
            await day.ask({"do": "sale", "amount": amount, "keyed": keyed})
        except (OSError, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream):
            day.report.counts["power_cut: cut"] += 1

    async with anyio.create_task_group() as group:
        group.start_soon(sell)
        with anyio.fail_after(STEP_S):
            while acquirer.asked == asked:  # noqa: ASYNC110 - another process asks
                await anyio.sleep(0.005)
        await day.cut()
    if day.report.counts["power_cut: cut"] != 1:
        day.report.problems.append("the power cut came after the answer")
    await day.start()
    await day.until("reversals", value=0)
    if (await day.result({"do": "status"}))["in_doubt"]:
        day.report.problems.append("a power cut left doubt")


_STEPS = {
    "sale": _sale,
    "void": _against,
    "refund": _against,
    "lost_answer": _lost_answer,
    "late_answer": _late_answer,
    "line_down": _line_down,
    "chip_swipe": _chip_swipe,
    "power_cut": _power_cut,
    "settle": _settle,
}


@asynccontextmanager
async def _opened(state: Path, seed: int) -> AsyncIterator[Day]:
    async with rig(state) as around, anyio.create_task_group() as group:
        day = Day(around, state, Report(seed), group, cards=deck(seed))
        with (state / "wire.bin").open("ab") as capture:
            around.acquirer.tap = capture.write
            try:
                yield day
            finally:
                with anyio.CancelScope(shield=True):
                    await day.cut()
        group.cancel_scope.cancel()


async def play(seed: int, state: Path, tell: Tell) -> Report:
    """Play the day of a seed in an empty state folder."""
    async with _opened(state, seed) as day:
        await day.start()
        await day.result({"do": "sign_on"})
        day.report.counts["sign_on: success"] += 1
        for number, step in enumerate(steps := script(seed), start=1):
            tell(f"[{number:2}/{len(steps)}] {step.what} {step.code}")
            await _STEPS[step.what](day, step)
        day.report.rss_kib = await _rss_kib(day.process)
        return day.report


async def _rss_kib(process: Process | None) -> float:
    """Return the terminal's resident memory now (proc(5), VmRSS)."""
    if process is None:
        return 0.0
    status = await anyio.Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(line.split()[1])
