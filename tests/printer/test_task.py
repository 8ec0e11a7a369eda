"""The printer task against the simulated printer, on virtual time: nothing twice, nothing lost."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from posfw.printer.queue import AFTER_RESTART, LOST, NOT_PROVED, Activity
from posfw.sim.head import SensorTrouble
from posfw.sim.printer import PrinterSim
from posfw.values.printjob import DocumentKind, JobState
from tests.printer.shop import LOSES, PROFILE, ROWS, STRIPS, Queue, new_sim, printed, shop
from tests.printer.virtual import run_virtual

RECEIPT, SETTLEMENT = DocumentKind.RECEIPT, DocumentKind.SETTLEMENT


def whole(job: int) -> list[tuple[int, int, int]]:
    return [(job, strip, row) for strip in range(STRIPS) for row in range(ROWS)]


def test_a_receipt_is_printed_once_and_cut() -> None:
    async def main() -> None:
        async with shop() as place:
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.DONE)
            assert printed(place.sim) == whole(1)
            assert [slip.cut for slip in place.sim.slips] == [True]
            assert place.queue.marks == [
                (1, JobState.PRINTING, 0, ""),
                (1, JobState.DONE, STRIPS, ""),
            ]

    run_virtual(main)


def test_a_settlement_slip_goes_before_waiting_receipts() -> None:
    async def main() -> None:
        async with shop() as place:
            first = place.queue.add(RECEIPT, "1")
            await place.until(first.number, JobState.PRINTING)
            place.queue.add(RECEIPT, "2")
            slip = place.queue.add(SETTLEMENT, "3")
            await place.until(2, JobState.DONE)
            assert place.state(slip.number) is JobState.DONE
            assert printed(place.sim) == whole(1) + whole(3) + whole(2)

    run_virtual(main)


@pytest.mark.parametrize("after", range(0, 5 * ROWS, 7))
def test_paper_that_ends_in_a_band_loses_and_doubles_nothing_when_the_buffer_is_kept(
    after: int,
) -> None:
    async def main() -> None:
        async with shop() as place:
            place.sim.end_paper(after)
            job = place.queue.add(RECEIPT, "1")
            await anyio.sleep(10)
            assert place.state(job.number) in (JobState.PAUSED, JobState.QUEUED)
            assert place.printing.view.reason == "PRN-202"
            place.sim.load_paper()
            await place.until(job.number, JobState.DONE)
            assert printed(place.sim) == whole(1)

    run_virtual(main)


@pytest.mark.parametrize("after", range(1, 5 * ROWS, 7))
def test_a_printer_that_loses_its_buffer_repeats_only_the_torn_band(after: int) -> None:
    async def main() -> None:
        async with shop(profile=LOSES) as place:
            place.sim.end_paper(after)
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.PAUSED)
            await anyio.sleep(5)
            place.sim.load_paper()
            await place.until(job.number, JobState.DONE)
            found = printed(place.sim)
            torn = after // ROWS * ROWS
            assert found[:after] == whole(1)[:after]  # the old roll
            assert found[after:] == whole(1)[torn:]  # the new one goes on with that band

    run_virtual(main)


def test_unsure_what_a_printer_keeps_paper_out_in_a_slip_asks_a_person() -> None:
    async def main() -> None:
        async with shop(profile=replace(PROFILE, paper_out="unsure")) as place:
            place.sim.end_paper(30)
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.UNKNOWN)
            assert place.queue.jobs_by_number[1].reason == NOT_PROVED

    run_virtual(main)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("at_s", [0.01, 0.06, 0.11, 0.2, 0.33])
def test_an_open_cover_pauses_and_goes_on(keeps: bool, at_s: float) -> None:
    async def main() -> None:
        async with shop(profile=PROFILE if keeps else LOSES) as place:
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.PRINTING)
            await anyio.sleep(at_s)
            place.sim.open_cover()
            await anyio.sleep(5)
            assert place.printing.view.reason in ("PRN-203", "PRN-202")
            place.sim.close_cover()
            await place.until(job.number, JobState.DONE)
            found = printed(place.sim)
            assert sorted(set(found)) == whole(1)
            assert len(found) == len(whole(1)) if keeps else len(found) < len(whole(1)) + ROWS

    run_virtual(main)


def test_heat_that_the_printer_tells_pauses_without_repeating() -> None:
    async def main() -> None:
        async with shop() as place:
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.PRINTING)
            place.sim.make_hot()
            await place.until(job.number, JobState.PAUSED)
            assert place.queue.jobs_by_number[1].reason == "PRN-201"
            await anyio.sleep(30)
            place.sim.make_hot(hot=False)
            await place.until(job.number, JobState.DONE)
            assert printed(place.sim) == whole(1)

    run_virtual(main)


@pytest.mark.parametrize("cut_after", [1, 40, 300, 1200, 3000, 5000])
def test_a_cable_pulled_in_a_slip_makes_it_unknown_and_the_next_is_clean(cut_after: int) -> None:
    async def main() -> None:
        async with shop() as place:
            place.plugged = False
            await anyio.sleep(1)
            job = place.queue.add(RECEIPT, "1")
            await anyio.sleep(1)
            assert place.printing.view.reason == "PRN-230"
            place.plug()
            await place.until(job.number, JobState.PRINTING)
            place.cables[-1].cut_after = cut_after
            await place.until(job.number, JobState.UNKNOWN, JobState.DONE)
            assert place.state(job.number) is JobState.UNKNOWN
            assert place.queue.jobs_by_number[1].reason == LOST
            assert printed(place.sim) == whole(1)[: len(printed(place.sim))]
            before = len(place.sim.slips)
            following = place.queue.add(RECEIPT, "2")
            await place.until(following.number, JobState.DONE)
            assert [p for p in printed(place.sim) if p[0] == 2] == whole(2)
            last = place.sim.slips[-1]
            assert not any(r.bits[0] == 0x81 for r in last.rows if r.dots)
            assert len(place.sim.slips) >= before + 1

    run_virtual(main)


def test_a_printer_switched_off_in_a_slip_makes_it_unknown() -> None:
    async def main() -> None:
        async with shop() as place:
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.PRINTING)
            await anyio.sleep(0.1)
            place.sim.switch(on=False)
            await place.until(job.number, JobState.UNKNOWN)
            place.sim.switch(on=True)
            following = place.queue.add(RECEIPT, "2")
            await place.until(following.number, JobState.DONE)
            assert [p for p in printed(place.sim) if p[0] == 2] == whole(2)

    run_virtual(main)


def test_a_printer_that_never_answers_is_sent_nothing_of_a_slip() -> None:
    async def main() -> None:
        async with shop() as place:
            place.sim.answers = False
            job = place.queue.add(RECEIPT, "1")
            await anyio.sleep(120)
            assert place.state(job.number) is JobState.QUEUED
            assert place.printing.view.reason == "PRN-208"
            assert printed(place.sim) == []

    run_virtual(main)


def test_a_crash_while_printing_makes_it_unknown_and_it_is_not_printed_again() -> None:
    async def main() -> None:
        queue, sim = Queue(), new_sim()
        queue.add(RECEIPT, "1")
        async with shop(queue=queue, sim=sim) as place:
            await place.until(1, JobState.PRINTING)
            await anyio.sleep(0.1)
        queue.restart()
        async with shop(queue=queue, sim=sim) as place:
            following = place.queue.add(RECEIPT, "2")
            await place.until(following.number, JobState.DONE)
            assert queue.jobs_by_number[1].state is JobState.UNKNOWN
            assert queue.jobs_by_number[1].reason == AFTER_RESTART
            assert [p for p in printed(sim) if p[0] == 2] == whole(2)
            ones = [p for p in printed(sim) if p[0] == 1]
            assert ones == whole(1)[: len(ones)]

    run_virtual(main)


@pytest.mark.parametrize("dialect", ["esc-v", "star", "none"])
def test_printers_that_cannot_prove_still_print_once(dialect: str) -> None:
    async def main() -> None:
        async with shop(profile=replace(PROFILE, status=dialect)) as place:
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.DONE)
            await anyio.sleep(2)  # `none` is done when the wire has taken it
            assert printed(place.sim) == whole(1)

    run_virtual(main)


def test_without_proof_paper_out_in_a_slip_is_a_question_for_a_person() -> None:
    async def main() -> None:
        async with shop(profile=replace(PROFILE, status="esc-v", paper_out="loses")) as place:
            place.sim.end_paper(60)
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.UNKNOWN)
            assert place.queue.jobs_by_number[1].reason == NOT_PROVED
            place.sim.load_paper()
            following = place.queue.add(RECEIPT, "2")
            await place.until(following.number, JobState.DONE)
            assert [p for p in printed(place.sim) if p[0] == 2] == whole(2)

    run_virtual(main)


def test_a_broken_sensor_stops_the_slip_and_a_mended_one_lets_it_go_on() -> None:
    async def main() -> None:
        async with shop() as place:
            assert place.sim.head is not None
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.PRINTING)
            place.sim.head.set_trouble(SensorTrouble.SILENT)
            await anyio.sleep(3)
            place.queue.add(RECEIPT, "2")
            await anyio.sleep(10)
            assert place.state(2) is JobState.QUEUED
            assert place.printing.view.reason == "PRN-213"
            place.sim.head.set_trouble(SensorTrouble.NONE)
            await place.until(2, JobState.DONE)
            assert printed(place.sim) == whole(1) + whole(2)

    run_virtual(main)


def test_a_hot_head_counts_down_and_prints_by_itself() -> None:
    async def main() -> None:
        async with shop() as place:
            assert place.sim.head is not None
            await anyio.sleep(10)
            place.sim.head.set_body(79.0)
            job = place.queue.add(RECEIPT, "1")
            await anyio.sleep(1)
            view = place.printing.view
            assert (view.activity, view.reason, view.zone) == (Activity.WAITING, "PRN-201", "stop")
            assert view.resumes_s is not None
            assert 0 < view.resumes_s < 45
            await place.until(job.number, JobState.DONE)
            assert printed(place.sim) == whole(1)

    run_virtual(main)


def test_an_idle_printer_reads_its_thermometer_only_until_it_is_believed() -> None:
    async def main() -> None:
        async with shop() as place:
            assert place.sim.head is not None
            await anyio.sleep(10)
            readings = place.sim.head.readings
            await anyio.sleep(600)
            assert readings == place.sim.head.readings
            job = place.queue.add(RECEIPT, "1")
            await place.until(job.number, JobState.DONE, within_s=3)
            assert place.sim.head.readings > readings

    run_virtual(main)


def test_a_document_that_cannot_be_laid_out_does_not_hold_up_the_queue() -> None:
    async def main() -> None:
        async with shop() as place:
            place.queue.add(RECEIPT, "unprintable")
            place.queue.add(RECEIPT, "2")
            await place.until(2, JobState.DONE)
            assert place.state(1) is JobState.UNKNOWN
            assert place.queue.jobs_by_number[1].reason == "PRN-311"

    run_virtual(main)


def test_counters_are_written_at_most_every_two_minutes_and_go_on_after_a_restart() -> None:
    async def main() -> None:
        queue, sim = Queue(), new_sim()
        async with shop(queue=queue, sim=sim) as place:
            for subject in range(1, 11):
                queue.add(RECEIPT, str(subject))
            await place.until(10, JobState.DONE)
            written = len(queue.records)
            assert written <= 1
            await anyio.sleep(300)
            assert len(queue.records) <= written + 1
            totals = place.printing.totals
            assert totals.jobs == totals.cuts == 10
            assert totals.paper_mm == 10 * STRIPS * ROWS * 0.125
            assert totals.pulses == 10 * STRIPS * ROWS  # the columns that are always black
        async with shop(queue=queue, sim=sim) as place:
            queue.add(RECEIPT, "1")
            await place.until(11, JobState.DONE)
            assert place.printing.totals.jobs == 11

    run_virtual(main)


def test_control_a_row_printed_twice_or_not_at_all_is_seen() -> None:
    async def main() -> PrinterSim:
        async with shop() as place:
            place.queue.add(RECEIPT, "1")
            await place.until(1, JobState.DONE)
            return place.sim

    sim = run_virtual(main)
    assert printed(sim) == whole(1)
    first = next(n for n, row in enumerate(sim.tape) if row.dots)
    sim.tape.insert(first, sim.tape[first])
    assert printed(sim) != whole(1)
    del sim.tape[first : first + 2]
    assert printed(sim) != whole(1)
