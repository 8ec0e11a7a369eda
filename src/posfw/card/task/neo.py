"""A NEO 2 reader on a serial port: an amount goes in, a card or a code comes out.

One activation at a time. Cancelling takes two phases: the command is sent, and nothing else goes
out until the reader has confirmed it and a ping has come back behind it, so that no late answer of
a cancelled activation can ever be taken for the next one's. A reader that does not confirm is not
activated again before it does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskStatus

from posfw.card import neo
from posfw.card.codes import CANCELLED, READER_GONE, READER_SILENT
from posfw.card.driver import open_stream
from posfw.card.neo import Status
from posfw.card.neo_result import Outcome, burst_read, result
from posfw.card.supervisor import Activity, Backoff
from posfw.card.task.port import Latest, OpenPort, Port
from posfw.card.vivotech2 import Burst, Deframer, Event, Frame, Reply
from posfw.codec.tlv import Node
from posfw.values.card import EntryMode
from posfw.values.errors import DeviceError
from posfw.values.money import Money

__all__ = ["NeoReader"]

QUEUE_LENGTH: Final = 4
TRIES: Final = 3


@dataclass(slots=True)
class _Slot:
    """Where an answer is put; None in it says that the port was lost."""

    done: anyio.Event = field(default_factory=anyio.Event)
    reply: Reply | None = None

    def put(self, reply: Reply | None) -> None:
        self.reply = reply
        self.done.set()


class NeoReader:
    """Implements ports.CardReader for unasked swipes (burst mode) and activates for amounts.

    Args:
        url: device path, link, or socket://host:port.
        baudrate: of the reader.
        backoff: waits between attempts to open.
        reply_s: within which a reader at rest answers.
        grace_s: added to the reader's own wait for a card.
        half_frame_s: silence after which a begun frame is given up.
        watch: told what the reader is at; must not block.
        open_port: replaces opening of `url`.
    """

    def __init__(
        self,
        url: str,
        *,
        baudrate: int = 115_200,
        backoff: Backoff | None = None,
        reply_s: float = 2.0,
        grace_s: float = 15.0,
        half_frame_s: float = 0.3,
        watch: Callable[[Activity], None] = lambda _: None,
        open_port: OpenPort | None = None,
    ) -> None:
        self._latest: Latest[Outcome] = Latest(QUEUE_LENGTH)
        self._port: Port[Frame] = Port(
            open_port or partial(open_stream, url, baudrate=baudrate),
            framer=Deframer,
            heard=self._heard,
            lost=self._lost,
            backoff=backoff or Backoff(),
            half_frame_s=half_frame_s,
        )
        self._reply_s = reply_s
        self._grace_s = grace_s
        self._watch = watch
        self._slots: dict[int, _Slot] = {}
        self._lock = anyio.Lock()
        self._scope: anyio.CancelScope | None = None
        self._unconfirmed = False
        self.activity = Activity.IDLE

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open and read it, until cancelled; started after the first attempt."""
        await self._port.run(task_status=task_status)

    def reads(self) -> AsyncIterator[Outcome]:
        """Yield swipes that were not asked for, and READER_GONE, until cancelled."""
        return self._latest.all()

    def forget(self) -> None:
        """Drop what was read before now."""
        self._latest.items.clear()

    async def activate(self, amount: Money, *, wait_s: int, counter: int) -> Outcome:
        """Let the reader take one card for this amount.

        Cancelling the call cancels on the reader first; it then returns within a few `reply_s`.

        Args:
            amount: what the card is asked for.
            wait_s: how long the reader waits for a card, 1 to 255.
            counter: transaction sequence counter; a result with another one is no result.
        """
        frame = neo.activate(amount, wait_s=wait_s, counter=counter)
        async with self._lock:
            reply: Reply | None = None
            try:
                if self._unconfirmed:
                    await self._stop()
                with anyio.CancelScope() as self._scope:
                    reply = await self._activated(frame, wait_s + self._grace_s)
            except DeviceError as error:
                return error.stable_code
            finally:
                self._scope = None
                self._be(Activity.IDLE)
            if reply is None:
                return CANCELLED
            outcome = result(reply, asked=amount, counter=counter)
            # A contact kernel now waits for the issuer's answer, which it does not get from here:
            # it is released before anything else is asked of the reader.
            self._unconfirmed = _waits_for_issuer(outcome)
            return outcome

    async def cancel(self) -> bool:
        """End a running activation; True when the reader has confirmed that it waits no more."""
        if self._scope is not None:
            self._scope.cancel()
        async with self._lock:
            if self._unconfirmed:
                await self._stop_quietly()
                self._be(Activity.IDLE)
            return not self._unconfirmed

    async def firmware(self) -> str:
        """Return name and version of the firmware.

        Raises:
            DeviceError: gone, silent, or the reader refuses.
        """
        return neo.text_of(await self._asked(neo.FIRMWARE, neo.firmware_version()))

    async def configure(self, fields: list[Node]) -> None:
        """Store terminal data in the reader; read back by `configuration`.

        Raises:
            DeviceError: gone, silent, or the reader refuses.
        """
        neo.text_of(await self._asked(neo.SET_CONFIGURATION, neo.set_configuration(fields)))

    async def configuration(self) -> list[Node]:
        """Return the reader's terminal data.

        Raises:
            DeviceError: gone, silent, or the reader refuses.
        """
        reply = await self._asked(neo.GET_CONFIGURATION, neo.get_configuration())
        return neo.configuration(reply)

    async def show(
        self,
        display: neo.Display = neo.Display.NONE,
        beep: neo.Beep = neo.Beep.NONE,
        lamp: neo.Lamp | None = None,
    ) -> None:
        """Set display, buzzer and lamps.

        Raises:
            DeviceError: gone, silent, or the reader refuses.
        """
        neo.text_of(await self._asked(neo.INTERFACE, neo.interface(display, beep, lamp)))

    async def _asked(self, number: int, frame: bytes) -> Reply:
        async with self._lock:
            try:
                if self._unconfirmed:  # it would take any command for a cancellation
                    await self._stop()
                return await self._ask(number, frame, self._reply_s)
            finally:
                self._be(Activity.IDLE)

    async def _activated(self, frame: bytes, within_s: float) -> Reply:
        self._unconfirmed = True
        self._be(Activity.WAITING)
        try:
            reply = await self._ask(neo.ACTIVATE, frame, within_s)
        except BaseException:  # silence, loss or cancellation: the reader may still be at it
            with anyio.CancelScope(shield=True):
                await self._stop_quietly()
            raise
        self._unconfirmed = False
        return reply

    async def _stop_quietly(self) -> None:
        try:
            await self._stop()
        except DeviceError:
            return  # `_unconfirmed` stays: it is stopped before the next activation

    async def _stop(self) -> None:
        """Cancel and wait for the confirmation, then let a ping run after it."""
        self._be(Activity.CANCELLING)
        await self._ask(neo.CANCEL, neo.cancel(), self._reply_s)
        await self._ask(neo.PING, neo.ping(), self._reply_s)
        self._unconfirmed = False

    async def _ask(self, number: int, frame: bytes, within_s: float) -> Reply:
        """Send until the reader has understood, and return its answer.

        Only what may be done twice is repeated after silence; an activation is not.
        """
        for _ in range(TRIES):
            slot = self._slots[number] = _Slot()
            try:
                await self._port.send(frame)
                with anyio.move_on_after(within_s):
                    await slot.done.wait()
            finally:
                self._slots.pop(number, None)
            if not slot.done.is_set():
                if number == neo.ACTIVATE:
                    break
                continue
            if slot.reply is None:
                raise DeviceError("The reader's port was lost.", code=READER_GONE)
            if slot.reply.status != Status.CRC_ERROR:
                return slot.reply
        raise DeviceError("The reader does not answer.", code=READER_SILENT)

    def _heard(self, frames: list[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, Burst):
                self._latest.put([burst_read(frame)])
            elif isinstance(frame, Reply):
                self._answered(frame)
            else:
                self._event(frame)

    def _answered(self, reply: Reply) -> None:
        if reply.status == Status.INTERFACE_EVENT:
            self._saw_card()
            return
        slot = self._slots.pop(reply.command, None)
        if slot is not None:
            slot.put(reply)

    def _event(self, event: Event) -> None:
        if (neo.DISPLAY, neo.Display.PROCESSING) in event.changes:
            self._saw_card()

    def _saw_card(self) -> None:
        if self.activity is Activity.WAITING:
            self._be(Activity.READING)

    def _lost(self) -> None:
        self._latest.put([READER_GONE])
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.put(None)

    def _be(self, activity: Activity) -> None:
        if activity is not self.activity:
            self.activity = activity
            self._watch(activity)


def _waits_for_issuer(outcome: Outcome) -> bool:
    if isinstance(outcome, str):
        return False
    return outcome.entry_mode is EntryMode.CHIP and not outcome.approved_offline
