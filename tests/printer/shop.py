"""A printer task, its queue and a simulated printer, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import anyio

from posfw.printer.driver import WirePrinter
from posfw.printer.escpos import raster
from posfw.printer.queue import AFTER_RESTART, PrinterView
from posfw.printer.strip import Strip
from posfw.printer.task import Printing
from posfw.sim.head import HeadSim
from posfw.sim.printer import MemoryWire, PrinterSim
from posfw.values.document import Document
from posfw.values.errors import DeviceError, InputError, MisuseError
from posfw.values.events import Record, Topic
from posfw.values.hardware import PrinterProfile, ThermalProfile
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, Job, JobState
from tests.printer.virtual import LoopClock

# A wide-open budget: these tests are about paper; heat has its own.
COOL = ThermalProfile(duty=((60.0, 1.0),), rise_c_per_kdot=0.001)
PROFILE = PrinterProfile(thermal=COOL, dots=384, cutter="partial", paper_out="keeps")
LOSES = replace(PROFILE, paper_out="loses")
ROWS = 24
STRIPS = 8
STRIDE = 48


@dataclass
class Queue:
    """PrintJournal and Records in memory; a transition that the real one refuses is refused."""

    jobs_by_number: dict[int, Job] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    marks: list[tuple[int, JobState, int, str]] = field(default_factory=list)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    async def next_job(self) -> Job | None:
        ended = (JobState.DONE, JobState.VOID, JobState.UNKNOWN)
        rank = {kind: n for n, kind in enumerate(DocumentKind)}
        waiting = [j for j in self.jobs_by_number.values() if j.state not in ended]
        return min(
            waiting,
            key=lambda j: (j.state is JobState.QUEUED, rank[j.ref.kind], j.number),
            default=None,
        )

    async def mark(self, job: Job, state: JobState, band: int, reason: str, at: datetime) -> None:
        current = self.jobs_by_number[job.number]
        if current.state in (JobState.DONE, JobState.VOID):
            raise MisuseError(f"job {job.number} has ended")
        self.jobs_by_number[job.number] = replace(current, state=state, band=band, reason=reason)
        self.marks.append((job.number, state, band, reason))
        self._changed.set()

    async def enqueue(
        self, ref: DocumentRef, copy: Copy, at: datetime, *, duplicate: bool = False
    ) -> Job:
        return self.add(ref.kind, ref.subject, duplicate=duplicate)

    async def jobs(self, state: JobState) -> Sequence[Job]:
        return [j for j in self.jobs_by_number.values() if j.state is state]

    async def changed_jobs(self) -> None:
        await self._changed.wait()
        self._changed = anyio.Event()

    async def append(self, *records: Record) -> None:
        self.records += records

    async def read(self, topic: Topic, after: int = 0) -> Sequence[Record]:
        return [r for r in self.records if r.topic is topic]

    def add(self, kind: DocumentKind, subject: str = "7", *, duplicate: bool = False) -> Job:
        number = len(self.jobs_by_number) + 1
        job = Job(number, DocumentRef(kind, subject), Copy.SINGLE, duplicate)
        self.jobs_by_number[number] = job
        self._changed.set()
        return job

    def restart(self) -> None:
        """Do what the journal does when it is opened: whatever was begun is unknown."""
        for job in self.jobs_by_number.values():
            if job.state in (JobState.PRINTING, JobState.PAUSED):
                self.jobs_by_number[job.number] = replace(
                    job, state=JobState.UNKNOWN, reason=AFTER_RESTART
                )


def cut_up(document: Document, profile: PrinterProfile, canvas: object) -> tuple[Strip, ...]:
    """Let a document's subject say which rows it prints; the layout has its own tests."""
    del canvas
    if document.ref.subject == "unprintable":
        raise InputError("The logo is wider than the paper.", code="PRN-311")
    return slip_of(int(document.ref.subject), STRIPS, profile)


class Composer:
    """ports.Documents: an empty document that remembers its job."""

    async def compose(self, job: Job) -> Document:
        return Document(job.ref, job.copy, ())


def row_of(job: int, strip: int, row: int) -> bytes:
    """Return a row that says where it belongs; bit patterns keep clear of real-time commands."""
    body = bytes([0x80 | job, 0x80 | strip, 0x80 | row])
    return body.ljust(STRIDE, b"\xff")


def slip_of(job: int, count: int, profile: PrinterProfile = PROFILE) -> tuple[Strip, ...]:
    """Return strips whose every row is unlike any other."""
    made = []
    for strip in range(count):
        rows = [row_of(job, strip, row) for row in range(ROWS)]
        dots = sum(int.from_bytes(r).bit_count() for r in rows)
        data = raster(profile, b"".join(rows), STRIDE, ROWS)
        if strip == count - 1:
            data += b"\x1dV\x01"
        made.append(Strip(data, ROWS, dots))
    return tuple(made)


def printed(sim: PrinterSim) -> list[tuple[int, int, int]]:
    """Return (job, strip, row) of every row on paper that is one of ours."""
    return [
        (r.bits[0] & 0x7F, r.bits[1] & 0x7F, r.bits[2] & 0x7F)
        for r in sim.tape
        if r.bits[3:] == b"\xff" * (STRIDE - 3)
    ]


@dataclass
class Shop:
    """Everything together."""

    queue: Queue
    sim: PrinterSim
    printing: Printing
    views: list[PrinterView]
    cables: list[MemoryWire]
    plugged: bool = True
    cut_after: int | None = None

    async def open(self) -> MemoryWire:
        if not self.plugged:
            raise DeviceError("no cable")
        wire = MemoryWire(self.sim, self.cut_after)
        self.cut_after = None
        self.cables.append(wire)
        return wire

    def unplug(self) -> None:
        self.plugged = False
        for wire in self.cables:
            wire.pull()

    def plug(self) -> None:
        self.plugged = True

    def state(self, number: int) -> JobState:
        return self.queue.jobs_by_number[number].state

    async def until(self, number: int, *states: JobState, within_s: float = 600.0) -> None:
        with anyio.fail_after(within_s):
            while self.state(number) not in states:  # noqa: ASYNC110 - virtual time
                await anyio.sleep(0.01)


def new_sim(profile: PrinterProfile = PROFILE) -> PrinterSim:
    clock = LoopClock()
    head = HeadSim.like(profile.thermal, clock.monotonic)
    keeps = profile.paper_out == "keeps"
    return PrinterSim(profile, clock.monotonic, head=head, keeps_buffer=keeps)


@asynccontextmanager
async def shop(
    *,
    profile: PrinterProfile = PROFILE,
    sim: PrinterSim | None = None,
    queue: Queue | None = None,
    with_sensor: bool = True,
) -> AsyncIterator[Shop]:
    """Run a printer task against a simulated printer for the length of the context."""
    clock = LoopClock()
    sim = sim or new_sim(profile)
    queue = queue or Queue()
    views: list[PrinterView] = []
    place: list[Shop] = []

    async def open_wire() -> MemoryWire:
        return await place[0].open()

    printer = WirePrinter(profile, open_wire)
    printing = Printing(
        journal=queue,
        records=queue,
        documents=Composer(),
        printer=printer,
        clock=clock,
        profile=profile,
        canvas=None,
        sensor=sim.head if with_sensor else None,
        watch=views.append,
        cut_up=cut_up,
    )
    place.append(Shop(queue, sim, printing, views, []))
    async with anyio.create_task_group() as group:
        group.start_soon(sim.run)
        group.start_soon(printer.run)
        group.start_soon(printing.run)
        yield place[0]
        group.cancel_scope.cancel()
