"""The printer's loop: the journal's next job, its strips, heat, the wire, and what became of it.

A job is marked PRINTING before its first byte leaves, so no power cut prints it twice. As long as
the printer answers, it is known how far a slip has come: paper out, cover and heat pause it, and
it goes on by itself. Silence or a lost wire in the middle of a slip makes it unknown: a person
decides, and what is printed again bears 重打印. Nothing here holds up a sale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

import anyio

from posfw.ports import Clock, Documents, HeadSensor, Printer, PrintJournal, Records
from posfw.printer import counters, escpos
from posfw.printer.fence import fence, proves
from posfw.printer.queue import LOST, Activity, PrinterView, Progress
from posfw.printer.raster import Raster
from posfw.printer.sheet import strips
from posfw.printer.slip import (
    POLL_S,
    RECOVER_S,
    SENSE_S,
    TOGETHER_S,
    LostError,
    Slip,
)
from posfw.printer.status import PrinterStatus, decode
from posfw.printer.strip import Strip
from posfw.printer.throttle import Start, Throttle, Wait
from posfw.values.document import Document
from posfw.values.errors import DeviceError, JournalError, PosfwError
from posfw.values.events import Topic
from posfw.values.hardware import PrinterProfile
from posfw.values.printjob import Job, JobState

__all__ = ["Printing"]

CutUp: TypeAlias = Callable[[Document, PrinterProfile, Raster | None], tuple[Strip, ...]]

# No wait is shorter: a limit reached to the last digit must not spin.
TICK_S: Final = 0.001
# Past the tear bar in any mode: white lines of text.
TEAR: Final = b"\n" * 6
NOT_CONNECTED: Final = "PRN-230"


class _Mechanism:
    """Printer, sensors and heat together: what both waiting and printing need."""

    def __init__(
        self,
        printer: Printer,
        profile: PrinterProfile,
        clock: Clock,
        sensor: HeadSensor | None,
        ambient: HeadSensor | None,
    ) -> None:
        self.printer = printer
        self.profile = profile
        self.clock = clock
        self.sensor = sensor
        self.ambient = ambient
        self.throttle = Throttle.begin(profile, clock.monotonic(), sensor=sensor is not None)
        self.wear = counters.Wear(profile)
        self.clean_session = 0  # the wire on which the printer stands between two commands
        self.torn = False  # half a slip hangs out of the printer
        self._sensed_at = -math.inf

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    async def sense(self) -> None:
        """Read the sensors when it is time."""
        if self.now - self._sensed_at < SENSE_S:
            return
        self._sensed_at = self.now
        if self.ambient is not None:
            around_c = await _reading(self.ambient)
            if around_c is not None:
                self.throttle = self.throttle.surrounded(around_c)
        if self.sensor is not None:
            taken_c = await _reading(self.sensor)
            self.throttle = self.throttle.observed(taken_c, self.now)

    async def status(self) -> PrinterStatus:
        """Ask the printer; no answer is unknown."""
        return decode(self.profile.status, await self.printer.status())

    async def answered(self, count: int, timeout_s: float) -> bool:
        """Wait until the printer has answered `count` fences; False when it did not in time."""
        session = self.printer.session
        with anyio.move_on_after(timeout_s):
            while self.printer.answered < count and self.printer.session == session:
                await self.printer.news()
        return self.printer.session == session and self.printer.answered >= count

    async def settled(self) -> None:
        """Wait until no answer is outstanding: quiet, ready (so nothing is held back), quiet.

        Raises:
            LostError: the printer is not ready, is gone, or goes on answering.
        """
        session = self.printer.session
        with anyio.move_on_after(RECOVER_S):
            while True:
                while await self.answered(self.printer.answered + 1, TOGETHER_S):
                    pass
                if self.printer.session != session or not (await self.status()).ready:
                    raise LostError
                if not await self.answered(self.printer.answered + 1, TOGETHER_S):
                    return
        raise LostError

    async def wait(self, seconds: float) -> None:
        """Let time pass, some at least; ends early when the printer has news."""
        with anyio.move_on_after(max(seconds, TICK_S)):
            await self.printer.news()

    async def put_in_order(self) -> None:
        """End whatever a lost wire or a dead process left half sent; tear off a half slip."""
        session, before = self.printer.session, self.printer.answered
        if self.clean_session == session:
            return
        tear = TEAR + escpos.cut(self.profile) if self.torn else b""
        await self.printer.write(escpos.recover(self.profile) + tear + fence(self.profile))
        if proves(self.profile):
            if not await self.answered(before + 1, RECOVER_S):
                raise LostError
            # A process before this one may have left fences in the printer: their answers would
            # be taken for proofs of the next slip.
            await self.settled()
        self.clean_session, self.torn = session, False

    async def not_ready(self) -> str:
        """Return why no slip can begin, "" when one can."""
        try:
            if not self.printer.session:
                return NOT_CONNECTED
            if not proves(self.profile):
                # Inside a cut-off picture only a real-time request would be heard.
                await self.put_in_order()
            if self.profile.status != "none":
                found = await self.status()
                if not found.ready:
                    return found.code
            await self.put_in_order()
        except (DeviceError, LostError):
            return NOT_CONNECTED
        return ""


async def _reading(sensor: HeadSensor) -> float | None:
    """Read a sensor; one that hangs or fails gives no reading, and none is stale soon."""
    taken_c = None
    with anyio.move_on_after(SENSE_S), suppress(DeviceError):
        taken_c = await sensor.read()
    return taken_c


class Printing:
    """Prints the journal's queue until cancelled; one for a printer.

    Args:
        journal: the queue.
        records: where the counters are kept.
        documents: composes what a job prints.
        printer: the mechanism; its own `run` must be running.
        clock: monotonic seconds for heat, local time for the journal.
        profile: of the board.
        canvas: glyphs for raster printing, None without a glyph file.
        sensor: of the head, None where the board has none.
        ambient: of the surroundings, None where the board has none.
        watch: called with every change of the view.
        cut_up: makes strips of a document.

    Attributes:
        view: what screens show.
    """

    def __init__(
        self,
        *,
        journal: PrintJournal,
        records: Records,
        documents: Documents,
        printer: Printer,
        clock: Clock,
        profile: PrinterProfile,
        canvas: Raster | None,
        sensor: HeadSensor | None = None,
        ambient: HeadSensor | None = None,
        watch: Callable[[PrinterView], None] = lambda _: None,
        cut_up: CutUp = strips,
    ) -> None:
        self._cut_up = cut_up
        self._journal = journal
        self._records = records
        self._documents = documents
        self._canvas = canvas
        self._watch = watch
        self._mechanism = _Mechanism(printer, profile, clock, sensor, ambient)
        self._composed: tuple[int, tuple[Strip, ...]] = (0, ())
        self._paused = ""
        self.view = PrinterView()

    @property
    def totals(self) -> counters.Counters:
        """Life totals of the mechanism as of now."""
        return self._mechanism.wear.totals

    async def run(self) -> None:
        """Print until cancelled."""
        wear = self._mechanism.wear
        wear.base = wear.written = counters.folded(await self._records.read(Topic.UPKEEP))
        try:
            while True:
                job = await self._journal.next_job()
                if job is None:
                    await self._idle()
                elif job.state is JobState.QUEUED:
                    await self._one(job)
                else:
                    # Begun by nobody who still knows how far it came.
                    await self._mark(job, JobState.UNKNOWN, job.band, LOST)
        finally:
            with anyio.CancelScope(shield=True), suppress(JournalError):
                await self._keep_counters(at_once=True)

    async def _idle(self) -> None:
        """Wait for a job, without waking up for nothing; keep the counters meanwhile."""
        self._show(Activity.IDLE)
        await self._keep_counters()
        wear = self._mechanism.wear
        period_s = counters.EVERY_S if wear.totals != wear.written else None
        sensor = self._mechanism.throttle.sensor
        if sensor is not None and sensor.fault:
            # Not believed yet, or broken: a believed one is read again when there is a job.
            period_s = SENSE_S
        with anyio.move_on_after(period_s):
            await self._journal.changed_jobs()
        await self._mechanism.sense()

    async def _one(self, job: Job) -> None:
        """Print one job, or wait a little and let the queue be looked at again."""
        slip = await self._strips(job)
        if slip is None:
            return
        start = await self._may_begin(job, slip)
        if start is None:
            return
        await self._mark(job, JobState.PRINTING, 0, "")
        self._paused = ""

        async def tell(reason: str, until: float, progress: Progress) -> None:
            await self._told(job, reason, until, progress)

        course = Slip(self._mechanism, slip, start.stretch, tell)
        try:
            await course.run()
        except (LostError, DeviceError) as error:
            self._mechanism.clean_session, self._mechanism.torn = 0, True
            reason = error.reason if isinstance(error, LostError) else LOST
            await self._mark(job, JobState.UNKNOWN, course.progress.done, reason)
        else:
            await self._mark(job, JobState.DONE, course.progress.done, "")
        self._composed = (0, ())
        await self._keep_counters()

    async def _told(self, job: Job, reason: str, until: float, progress: Progress) -> None:
        """Record that a slip pauses or goes on, once for each change; show it always."""
        if reason != self._paused:
            state = JobState.PAUSED if reason else JobState.PRINTING
            await self._mark(job, state, progress.done, reason)
            self._paused = reason
        activity = Activity.PAUSED if reason else Activity.PRINTING
        self._show(activity, job, progress=progress, reason=reason, until=until)

    async def _strips(self, job: Job) -> tuple[Strip, ...] | None:
        number, slip = self._composed
        if number == job.number:
            return slip
        try:
            document = await self._documents.compose(job)
            slip = self._cut_up(document, self._mechanism.profile, self._canvas)
        except JournalError:
            raise
        except PosfwError as error:
            # It can never be printed as it is; the queue goes on and a person sees the code.
            await self._mark(job, JobState.UNKNOWN, 0, error.stable_code)
            return None
        self._composed = (job.number, slip)
        return slip

    async def _may_begin(self, job: Job, slip: tuple[Strip, ...]) -> Start | None:
        """Return how to begin, or None after having waited for what is in the way."""
        mechanism = self._mechanism
        await mechanism.sense()
        reason = await mechanism.not_ready()
        answer: Start | Wait = Wait(math.inf, reason)
        if not reason:
            rows, dots = sum(s.rows for s in slip), sum(s.dots for s in slip)
            answer = mechanism.throttle.admit(rows, dots, mechanism.now)
        if isinstance(answer, Start):
            return answer
        self._show(Activity.WAITING, job, reason=answer.reason, until=answer.until)
        period_s = SENSE_S if mechanism.sensor is not None else POLL_S
        await mechanism.wait(min(answer.until - mechanism.now, period_s))
        return None

    async def _mark(self, job: Job, state: JobState, band: int, reason: str) -> None:
        await self._journal.mark(job, state, band, reason, self._mechanism.clock.now())

    async def _keep_counters(self, *, at_once: bool = False) -> None:
        """Write the counters if they changed: every two minutes at most, and at the end."""
        mechanism = self._mechanism
        mechanism.wear.over_temperature = mechanism.throttle.stops
        totals = mechanism.wear.totals
        if mechanism.wear.due(mechanism.now) or (at_once and totals != mechanism.wear.written):
            await self._records.append(counters.record(totals, mechanism.clock.now()))
            mechanism.wear.wrote(totals, mechanism.now)

    def _show(
        self,
        activity: Activity,
        job: Job | None = None,
        *,
        progress: Progress | None = None,
        reason: str = "",
        until: float = math.inf,
    ) -> None:
        mechanism = self._mechanism
        state = mechanism.throttle.advanced(mechanism.now)
        view = PrinterView(
            activity=activity,
            job=job.number if job else 0,
            band=progress.done if progress else 0,
            bands=progress.total if progress else 0,
            reason=reason,
            resumes_s=round(max(until - mechanism.now, 0.0)) if until < math.inf else None,
            head_c=round(state.head_c, 1),
            zone=state.zone.value,
            connected=mechanism.printer.session > 0,
        )
        if view != self.view:
            self.view = view
            self._watch(view)
