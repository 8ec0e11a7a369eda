"""How soon paper moves: from the durable outcome of a sale to the first dot row of its receipt.

Everything between is real: the journal on a file, the composer, layout and glyphs, the task, the
serial module and a pty; the printer at its end prints at 60 mm/s. Row, not byte: the poll before
a slip and ESC @ come earlier and are not counted.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import anyio

from bench.claim import Claim
from posfw.app.documents import SlipComposer
from posfw.app.world import SystemClock
from posfw.card.driver import open_stream
from posfw.journal.store import Journal
from posfw.printer.driver import WirePrinter
from posfw.printer.raster import Raster
from posfw.printer.store import open_glyphs
from posfw.printer.task import Printing
from posfw.sim.head import HeadSim
from posfw.sim.printer import PrinterSim, printer_on_pty
from posfw.values.card import EntryMode
from posfw.values.hardware import PrinterProfile, ThermalProfile
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.printjob import JobState
from posfw.values.slip import Merchant
from posfw.values.texts import Texts
from posfw.values.transaction import Conclusion, Ending, Intent, Kind

SALES = 15
LIMIT_MS = 30.0
# The head is watched and stays cool: this is about latency, heat has its own claims.
PROFILE = PrinterProfile(
    cutter="partial", paper_out="keeps", thermal=ThermalProfile(rise_c_per_kdot=0.002)
)
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
)
MERCHANT = Merchant(
    name="测试商户", number="898110154110001", terminal="12345678", acquirer="银联商务"
)


async def _milliseconds(folder: Path) -> list[float]:
    clock = SystemClock()
    head = HeadSim.like(PROFILE.thermal, time.monotonic, lag_s=0.0)
    paper = PrinterSim(PROFILE, time.monotonic, head=head)
    async with (
        Journal.open(
            folder / "journal.db",
            terminal="12345678",
            chain_key=bytes(32),
            clock=clock,
            create=True,
        ) as journal,
        printer_on_pty(paper) as path,
        anyio.create_task_group() as group,
    ):
        printer = WirePrinter(PROFILE, partial(open_stream, path))
        printing = Printing(
            journal=journal,
            records=journal,
            documents=SlipComposer(journal, MERCHANT, Texts(), clock),
            printer=printer,
            clock=clock,
            profile=PROFILE,
            canvas=Raster(open_glyphs(), PROFILE.dots),
            sensor=head,
        )
        group.start_soon(printer.run)
        group.start_soon(printing.run)
        await anyio.sleep(1.5)  # three readings of the thermometer
        found = [await _sale(journal, paper) for _ in range(SALES)]
        group.cancel_scope.cancel()
    return found


async def _sale(journal: Journal, paper: PrinterSim) -> float:
    """Sell, and wait until the slip is done; return the milliseconds to its first row."""
    begun = await journal.begin(INTENT)
    paper.row_seen_at = 0.0
    answer = Answer("00", "123456", "1")
    conclusion = Conclusion(begun.key, Ending.APPROVED, INTENT.at, answer, copies=1)
    await journal.conclude(conclusion)
    durable_at = time.monotonic()
    while len(await journal.jobs(JobState.DONE)) < begun.key.stan:
        await anyio.sleep(0.05)
    await anyio.sleep(0.2)  # the paper comes to rest: the next slip starts from nothing
    return (paper.row_seen_at - durable_at) * 1000


def first_line() -> Claim:
    """Milliseconds from commit 2 to the first row of the receipt."""
    with tempfile.TemporaryDirectory() as folder:
        found = sorted(anyio.run(_milliseconds, Path(folder)))
    return Claim(
        median(found),
        LIMIT_MS,
        "ms",
        1.0,
        f"median of {SALES} sales, worst {found[-1]:.1f} ms; other: the goal",
    )


CLAIMS = {"first_line": first_line}
