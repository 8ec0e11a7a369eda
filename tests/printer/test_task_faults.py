"""Any order of faults: nothing printed twice, nothing lost, nothing stuck.

A history is drawn, played on virtual time against the simulated printer, and everything is mended
at its end. Then every job has ended, a finished slip is wholly on paper, and a row is there twice
only where a printer that lost its buffer tore its band.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from posfw.printer.queue import WINDOW
from posfw.sim.printer import PrinterSim
from posfw.values.printjob import DocumentKind, JobState
from tests.printer.shop import LOSES, PROFILE, ROWS, STRIPS, Queue, Shop, new_sim, printed, shop
from tests.printer.virtual import run_virtual

# These leave the printer answering: what is on paper stays known.
KNOWN = ("paper_out", "paper_in", "open", "close", "hot", "cool", "receipt", "settlement")
# These do not.
BLIND = ("unplug", "plug", "off", "on", "cut", "crash")
WAITS_S = st.sampled_from((0.003, 0.02, 0.06, 0.11, 0.3, 0.45, 1.0, 3.0, 8.0))
LONG_WAITS_S = st.sampled_from((1.5, 3.0, 8.0))


def histories(
    names: tuple[str, ...], waits_s: st.SearchStrategy[float]
) -> st.SearchStrategy[list[tuple[float, str, int]]]:
    step = st.tuples(waits_s, st.sampled_from(names), st.integers(0, 120))
    return st.lists(step, min_size=1, max_size=14)


@dataclass
class Story:
    """One history as it is played."""

    queue: Queue
    sim: PrinterSim
    drops: int = 0

    def act(self, place: Shop, name: str, number: int) -> None:
        sim = self.sim
        count = len(self.queue.jobs_by_number)
        loses = not sim.keeps_buffer
        if name in ("receipt", "settlement") and count < 12:
            self.queue.add(DocumentKind(name), str(count + 1))
        elif name == "paper_out":
            sim.end_paper(number)
            self.drops += loses
        elif name == "open":
            sim.open_cover()
            self.drops += loses
        elif name == "off":
            sim.switch(on=False)
            self.drops += 1
        elif name == "cut":
            for wire in place.cables:
                wire.cut_after = number * 20
        else:
            self._mend(place, name)

    def _mend(self, place: Shop, name: str) -> None:
        actions: dict[str, Callable[[], None]] = {
            "paper_in": self.sim.load_paper,
            "close": self.sim.close_cover,
            "hot": self.sim.make_hot,
            "cool": lambda: self.sim.make_hot(hot=False),
            "unplug": place.unplug,
            "plug": place.plug,
            "on": lambda: self.sim.switch(on=True),
        }
        actions.get(name, lambda: None)()

    def mend(self, place: Shop) -> None:
        for name in ("paper_in", "close", "cool", "plug", "on"):
            self._mend(place, name)
        for wire in place.cables:
            wire.cut_after = None


async def played(
    history: list[tuple[float, str, int]], sim: PrinterSim
) -> tuple[Queue, PrinterSim, int]:
    """Play a history; `crash` ends the process and starts another over the same queue."""
    story = Story(Queue(), sim)
    story.queue.add(DocumentKind.RECEIPT, "1")
    steps = list(history)
    while True:
        crashed = False
        async with shop(profile=sim.profile, sim=sim, queue=story.queue) as place:
            # The first fault comes when the first slip has begun.
            begun = [s for s in JobState if s is not JobState.QUEUED]
            await place.until(1, *begun)
            while steps and not crashed:
                wait_s, name, number = steps.pop(0)
                await anyio.sleep(wait_s)
                crashed = name == "crash"
                story.act(place, name, number)
            if not crashed:
                story.mend(place)
                last = story.queue.add(DocumentKind.TEST, "13")
                await place.until(last.number, JobState.DONE, within_s=900.0)
                return story.queue, sim, story.drops
        story.queue.restart()


def whole(subject: int) -> list[tuple[int, int, int]]:
    return [(subject, strip, row) for strip in range(STRIPS) for row in range(ROWS)]


def judged(queue: Queue, sim: PrinterSim, *, repeated_rows: int) -> Counter[JobState]:
    """Check paper against queue; return how the jobs ended."""
    found = printed(sim)
    counts = Counter(found)
    for job in queue.jobs_by_number.values():
        mine = [row for row in found if row[0] == int(job.ref.subject)]
        assert job.state in (JobState.DONE, JobState.UNKNOWN)
        if job.state is JobState.DONE:
            assert set(mine) == set(whole(int(job.ref.subject)))
        else:
            # What is there is its beginning: nothing is missing in its middle.
            assert sorted(set(mine)) == whole(int(job.ref.subject))[: len(set(mine))]
            assert job.band * ROWS <= len(set(mine))
    assert sum(counts.values()) - len(counts) <= repeated_rows
    return Counter(job.state for job in queue.jobs_by_number.values())


def check(history: list[tuple[float, str, int]], *, loses: bool = False) -> Counter[JobState]:
    async def main() -> Counter[JobState]:
        sim = new_sim(LOSES if loses else PROFILE)
        queue, sim, drops = await played(history, sim)
        return judged(queue, sim, repeated_rows=drops * WINDOW * ROWS)

    body: Callable[[], Awaitable[Counter[JobState]]] = main
    return run_virtual(body)


@settings(max_examples=80, deadline=None)
@given(histories(KNOWN, WAITS_S))
def test_as_long_as_it_answers_every_row_is_printed_exactly_once(
    history: list[tuple[float, str, int]],
) -> None:
    assert set(check(history)) == {JobState.DONE}


# Answers left in the printer by the process before were taken for proofs of the next slip.
@example(
    history=[
        (0.003, "paper_out", 0),
        (0.003, "crash", 0),
        (0.45, "paper_out", 0),
        (0.003, "paper_out", 0),
    ]
)
@settings(max_examples=80, deadline=None)
@given(histories(KNOWN + BLIND, WAITS_S))
def test_whatever_happens_nothing_is_lost_and_doubt_is_said(
    history: list[tuple[float, str, int]],
) -> None:
    check(history)


@settings(max_examples=60, deadline=None)
@given(histories(KNOWN, LONG_WAITS_S))
def test_a_printer_that_loses_its_buffer_repeats_torn_bands_only(
    history: list[tuple[float, str, int]],
) -> None:
    assert set(check(history, loses=True)) == {JobState.DONE}


def test_control_a_history_can_end_in_doubt() -> None:
    ended = check([(0.06, "unplug", 0), (1.0, "plug", 0)])
    assert ended[JobState.UNKNOWN] >= 1
