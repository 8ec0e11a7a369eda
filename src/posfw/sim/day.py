"""Plays a day: the real terminal as a child process, its cashier and its acquirer from here."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

from posfw.sim.cards import TestCard
from posfw.sim.printer import PrinterSim
from posfw.sim.reading import SlipReader
from posfw.sim.rig import Rig
from posfw.sim.script import Step
from posfw.sim.slips import SlipBook
from posfw.values.errors import DeviceError, MisuseError

__all__ = ["Day", "Report"]

READY_S = 20.0
STEP_S = 30.0


@dataclass(slots=True)
class Report:
    """What a day came to. `problems` is empty if everything ended as it must."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    settlement: dict[str, Any] = field(default_factory=dict)
    bank: dict[str, int] = field(default_factory=dict)
    paper: SlipBook = field(default_factory=SlipBook)
    unknown: int = 0
    rss_kib: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether journal, bank and paper agree and every step ended as it must."""
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
            "slips": self.paper.totals(),
            "receipts": {
                "printed": len(self.paper.receipts),
                "reprinted": self.paper.reprinted,
                "unknown": self.unknown,
            },
            "problems": self.problems,
        }

    def judge_paper(self, paper: SlipBook) -> None:
        """Hold what was printed against journal and bank."""
        self.paper = paper
        self.problems += paper.problems()
        if paper.totals() != self.bank:
            self.problems.append("the slips' totals differ")
        if paper.settlements != [True]:
            self.problems.append("the settlement slip does not say that it balanced")
        if paper.reports != ["X", "Z"]:
            self.problems.append(f"the reports on paper are {paper.reports}")
        if any(receipt.testing for receipt in paper.receipts):
            self.problems.append("a live sale is marked as a test on paper")

    def judge_trial(self, paper: SlipBook) -> None:
        """Hold the paper of the acceptance rounds against what it must say."""
        self.problems += paper.problems()
        if not paper.receipts or not all(receipt.testing for receipt in paper.receipts):
            self.problems.append("a test is not marked as one on paper")
        if paper.settlements != [True]:
            self.problems.append("the acceptance's settlement does not say that it balanced")
        self.counts["acceptance paper: marked TESTING"] += 1


@dataclass(slots=True)
class Day:
    """One day under way.

    Attributes:
        board: on which the terminal is started next.
        other_counter: whether it can be moved to one with other devices.
    """

    rig: Rig
    state: Path
    report: Report
    group: TaskGroup | None = None
    process: Process | None = None
    approved: list[tuple[str, int]] = field(default_factory=list)
    cards: dict[str, TestCard] = field(default_factory=dict)
    board: str = "host"
    other_counter: bool = True

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

    async def start(self, *, online: bool = True) -> None:
        """Start the terminal and wait until it is ready, and online where it may be."""
        command = [sys.executable, "-m", "posfw", "run", "--board", self.board]
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
        if online:
            await self.until("online", value=True)

    async def cut(self) -> None:
        """Cut the power: SIGKILL, nothing is cleaned up."""
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            await self.process.aclose()

    async def put_trial_aside(self) -> None:
        """Judge the paper of the acceptance rounds and begin the day with none."""
        paper = await anyio.to_thread.run_sync(book, self.rig.printer)
        self.rig.printer.slips.clear()
        self.report.judge_trial(paper)

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


def book(printer: PrinterSim) -> SlipBook:
    """Read every slip that the printer has cut off."""
    return SlipBook.read(printer.slips, SlipReader.of_package())


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
