"""One slip on its way to paper: what is sent and proved, when to pause, recover or give up.

The waiting is the mechanism's: nothing here knows an event loop. The rules are those of
`printer.queue`; this is their order in time.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

from posfw.ports import Printer
from posfw.printer import escpos
from posfw.printer.counters import Wear
from posfw.printer.fence import fence, proves
from posfw.printer.queue import LOST, NOT_PROVED, Progress
from posfw.printer.status import Condition, PrinterStatus
from posfw.printer.strip import Strip
from posfw.printer.throttle import Throttle, Wait
from posfw.values.hardware import PrinterProfile

__all__ = [
    "POLL_S",
    "RECOVER_S",
    "SENSE_S",
    "TOGETHER_S",
    "LostError",
    "Mechanism",
    "Slip",
    "Told",
]

Told: TypeAlias = Callable[[str, float, Progress], Awaitable[None]]

# How often the thermistor is read: a quarter of the lease.
SENSE_S: Final = 0.25
# A strip is worked off within its own time and what the printer buffers; later is worth a look.
LATE_S: Final = 0.4
POLL_S: Final = 0.5
# Silent polls in a row that make a printer lost.
SILENT_POLLS: Final = 4
# After trouble a printer that kept its buffer goes on within this time.
RESUME_S: Final = 2.0
RECOVER_S: Final = 5.0
# The recovery's fences need no paper: their answers come together.
TOGETHER_S: Final = 0.3
# A wait shorter than this is pace, not a pause that a person would notice.
NOTICED_S: Final = 2.0


class LostError(Exception):
    """The printer went silent or away: how far a slip has come is not known any more."""

    def __init__(self, reason: str = LOST) -> None:
        super().__init__(reason)
        self.reason = reason


class Mechanism(Protocol):
    """Printer, sensors and heat together; the task's."""

    printer: Printer
    profile: PrinterProfile
    throttle: Throttle
    wear: Wear

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        ...

    async def sense(self) -> None:
        """Read the sensors when it is time."""
        ...

    async def status(self) -> PrinterStatus:
        """Ask the printer; no answer is unknown."""
        ...

    async def answered(self, count: int, timeout_s: float) -> bool:
        """Wait until the printer has answered `count` fences; False when it did not in time."""
        ...

    async def settled(self) -> None:
        """Wait until no answer is outstanding."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let time pass; ends early when the printer has news."""
        ...


class Slip:
    """One slip on its way to paper.

    Raises (`run`):
        LostError, DeviceError: `progress.done` strips are proved, the rest is not known.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        slip: tuple[Strip, ...],
        stretch: float,
        told: Told,
    ) -> None:
        keeps = mechanism.profile.paper_out == "keeps"
        self.progress = Progress.begin(len(slip), mechanism.printer.answered, keeps=keeps)
        self._mechanism = mechanism
        self._slip = slip
        self._stretch = stretch
        self._tell = told
        self._session = mechanism.printer.session
        self._quiet_since = mechanism.now
        self._silent = 0
        self._trouble = ""
        self._loses = False  # the printer has thrown away what was not proved
        self._ready_since: float | None = None
        self._held_since: float | None = None

    async def run(self) -> None:
        """Print to the end."""
        await self._mechanism.printer.write(escpos.init(self._mechanism.profile))
        while not self.progress.finished:
            await self._mechanism.sense()
            self._hear()
            if self._trouble or not self.progress.may_send:
                await self._await_proof()
            else:
                await self._send()

    def _hear(self) -> None:
        """Take what the printer has proved."""
        if self._mechanism.printer.session != self._session:
            raise LostError
        if proves(self._mechanism.profile) and not self._loses:
            heard = self.progress.heard(self._mechanism.printer.answered)
            if heard.done > self.progress.done:
                self._quiet_since = self._mechanism.now
            self.progress = heard

    async def _send(self) -> None:
        """Hand over the next strip when heat and paper allow it, else wait for that."""
        mechanism, strip = self._mechanism, self._slip[self.progress.sent]
        answer = mechanism.throttle.ask(strip, mechanism.now)
        if isinstance(answer, Wait):
            await self._hold(answer)
            return
        self._held_since = None
        await self._tell("", 0.0, self.progress)
        if mechanism.now >= answer.until:
            return  # the lease ended meanwhile: ask again
        is_last = self.progress.sent + 1 == self.progress.total
        # Heat first: a write that fails or is cancelled may still have fired the dots.
        mechanism.throttle = mechanism.throttle.fired(strip, mechanism.now, stretch=self._stretch)
        mechanism.wear.strip(strip, is_last=is_last)
        self.progress = self.progress.handed_over()
        await mechanism.printer.write(strip.data + fence(mechanism.profile))
        self._quiet_since = mechanism.now
        if not proves(mechanism.profile):
            await self._prove_by_status()

    async def _hold(self, answer: Wait) -> None:
        """Wait as the throttle says; a wait that a person would notice is a pause."""
        now = self._mechanism.now
        if self._held_since is None:
            self._held_since = now
        if answer.reason and max(answer.until, now) - self._held_since > NOTICED_S:
            await self._tell(answer.reason, answer.until, self.progress)
        await self._mechanism.wait(min(answer.until - now, SENSE_S))

    async def _prove_by_status(self) -> None:
        """Prove a strip by the status after it, where the printer answers no fences."""
        if self._mechanism.profile.status == "none":
            self.progress = self.progress.proved()  # a way back does not exist: as good as known
            return
        while (status := await self._polled()) is None or not status.ready:
            if status is not None and status.worst is not Condition.HEAD_HOT:
                # It may have lost this strip with its buffer, or still print it.
                await self._tell(status.code, math.inf, self.progress)
                raise LostError(NOT_PROVED)
            if status is not None:
                await self._tell(status.code, math.inf, self.progress)
                await self._mechanism.wait(POLL_S)
        self.progress = self.progress.proved()

    async def _await_proof(self) -> None:
        """Wait for answers; when they are late, ask what the matter is."""
        late_s = LATE_S if not self._trouble else POLL_S
        await self._mechanism.wait(late_s)
        self._hear()
        if self.progress.finished:
            return
        if not self._trouble and self._mechanism.now - self._quiet_since < LATE_S:
            return
        status = await self._polled()
        self._hear()
        if status is None:
            return
        if not status.ready:
            self._judge(status)
            self._trouble, self._ready_since = status.code, None
            await self._tell(status.code, math.inf, self.progress)
            return
        await self._after_trouble()

    def _judge(self, status: PrinterStatus) -> None:
        """Decide what trouble means for the strips that are not proved."""
        buffer = self._mechanism.profile.paper_out
        unproved = self.progress.sent > self.progress.done
        if not unproved or status.worst is Condition.HEAD_HOT or buffer == "keeps":
            return
        if buffer != "loses":
            raise LostError(NOT_PROVED)
        self._loses = True

    async def _after_trouble(self) -> None:
        """Go on once everything sent is proved, or is known to be lost with the buffer."""
        if self.progress.sent == self.progress.done:
            self._trouble, self._ready_since = "", None
            return
        now = self._mechanism.now
        if self._ready_since is None:
            self._ready_since = now
        if self._loses or now - max(self._ready_since, self._quiet_since) >= RESUME_S:
            await self._recover()
            self._trouble, self._ready_since = "", None

    async def _recover(self) -> None:
        """Bring the printer to a command's beginning and learn which strips it threw away."""
        mechanism, progress = self._mechanism, self.progress
        count = progress.fences_to_recover
        needed = mechanism.printer.answered + count
        await mechanism.printer.write(
            escpos.recover(mechanism.profile) + fence(mechanism.profile) * count
        )
        if not await mechanism.answered(needed, RECOVER_S):
            raise LostError
        await mechanism.settled()
        self.progress = progress.recovered(mechanism.printer.answered, loses=self._loses)
        self._loses = False
        self._quiet_since = mechanism.now

    async def _polled(self) -> PrinterStatus | None:
        """Ask for status; None for one silent poll, lost after several."""
        status = await self._mechanism.status()
        if status.worst is not Condition.UNKNOWN:
            self._silent = 0
            return status
        self._silent += 1
        if self._silent >= SILENT_POLLS:
            raise LostError
        return None
