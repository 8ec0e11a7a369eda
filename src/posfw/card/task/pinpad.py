"""An ABECS PIN pad on a serial port: one command at a time, acknowledged, repeated, cancelled.

The pad acknowledges every packet within 2 s, three tries (constants of public programs).
Cancelling takes two phases: CAN goes out, the pad confirms with EOT, and only then is it asked
again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskStatus

from posfw.card import pinpad
from posfw.card.abecs import CAN, Deframer, Item, Packet, Signal, packet
from posfw.card.codes import READER_GONE, READER_SILENT
from posfw.card.driver import open_stream
from posfw.card.pinpad import Answer, answer_of
from posfw.card.supervisor import Activity, Backoff
from posfw.card.task.port import OpenPort, Port
from posfw.values.card import CardNumber, Secret
from posfw.values.errors import CodecError, DeviceError
from posfw.values.money import Money

__all__ = ["AbecsPinPad"]

TRIES: Final = 3
INBOX_ITEMS: Final = 64


class AbecsPinPad:
    """Implements ports.PinPad; `run` must be running.

    Args:
        url: device path, link, or socket://host:port.
        baudrate: of the pad.
        backoff: waits between attempts to open.
        ack_s: within which a packet is acknowledged.
        answer_s: within which a command without a person is answered.
        entry_s: within which a PIN is entered; the pad's own limit is shorter.
        half_packet_s: silence after which a begun packet is given up.
        key_slot: the slot of the PIN key.
        watch: told what the pad is at; must not block.
        open_port: replaces opening of `url`.

    Attributes:
        key_serial: of the key of the last block, empty before.
    """

    def __init__(
        self,
        url: str,
        *,
        baudrate: int = 19_200,
        backoff: Backoff | None = None,
        ack_s: float = 2.0,
        answer_s: float = 10.0,
        entry_s: float = 70.0,
        half_packet_s: float = 0.5,
        key_slot: int = 0,
        watch: Callable[[Activity], None] = lambda _: None,
        open_port: OpenPort | None = None,
    ) -> None:
        self._port: Port[Item] = Port(
            open_port or partial(open_stream, url, baudrate=baudrate),
            framer=Deframer,
            heard=self._heard,
            lost=self._lost,
            backoff=backoff or Backoff(),
            half_frame_s=half_packet_s,
        )
        self._ack_s = ack_s
        self._answer_s = answer_s
        self._entry_s = entry_s
        self._key_slot = key_slot
        self._watch = watch
        self._lock = anyio.Lock()
        self._items: list[Item | None] = []  # None: the port was lost
        self._arrived = anyio.Event()
        self._opened = False
        self.key_serial = b""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open and read it, until cancelled; started after the first attempt."""
        await self._port.run(task_status=task_status)

    async def pin_block(self, number: CardNumber, amount: Money, prompt_id: int) -> Secret | None:
        """Return block and key serial number, or None when the customer gave no PIN.

        16 bytes in ISO 9564-1 format 4, then 12 that say which key they are under: the pad's own
        initial key ID and DUKPT counter. Cancelling the call cancels on the pad first.

        Raises:
            DeviceError: gone, silent, without a key, or it answers nonsense.
        """
        command = pinpad.get_pin(number, amount, prompt_id, key_slot=self._key_slot)
        async with self._lock:
            try:
                await self._open()
                self._watch(Activity.WAITING)
                found = pinpad.pin_of(await self._command(pinpad.GET_PIN, command, self._entry_s))
            finally:
                self._watch(Activity.IDLE)
            if found is None:
                return None
            self.key_serial = found.key_serial
            return Secret(found.block.reveal() + found.key_serial)

    async def _open(self) -> None:
        if not self._opened:
            answer = await self._command(pinpad.OPEN, pinpad.open_pad(), self._answer_s)
            if answer.status != pinpad.Status.OK:
                raise DeviceError(f"The PIN pad refused OPN with {answer.status:03d}.")
            self._opened = True

    async def _command(self, name: str, data: bytes, within_s: float) -> Answer:
        try:
            self._items.clear()
            await self._deliver(data)
            return await self._answer(name, within_s)
        except BaseException:  # silence, loss or cancellation: the pad may still be at it
            with anyio.CancelScope(shield=True):
                await self._stop()
            raise

    async def _deliver(self, data: bytes) -> None:
        """Send until the pad has acknowledged."""
        for _ in range(TRIES):
            await self._port.send(packet(data))
            with anyio.move_on_after(self._ack_s):
                while (item := await self._next()) not in {Signal.ACK, Signal.NAK}:
                    if isinstance(item, Packet):  # an answer says more than an ACK that was lost
                        self._items.insert(0, item)
                        return
                if item is Signal.ACK:
                    return
        raise DeviceError("The PIN pad does not acknowledge.", code=READER_SILENT)

    async def _answer(self, name: str, within_s: float) -> Answer:
        """Return the answer to `name`; notes to the cashier (NTM) and late answers are passed."""
        broken = 0
        with anyio.move_on_after(within_s):
            while True:
                item = await self._next()
                if item is Signal.BROKEN:
                    broken += 1
                    if broken > TRIES:
                        break
                    await self._port.send(Signal.NAK.byte)
                elif isinstance(item, Packet):
                    answer = self._read(item)
                    if answer.name == name:
                        return answer
        raise DeviceError("The PIN pad does not answer.", code=READER_SILENT)

    @staticmethod
    def _read(item: Packet) -> Answer:
        try:
            answer = answer_of(item.data)
        except CodecError as error:
            raise DeviceError("The PIN pad's answer cannot be read.") from error
        if answer.name == "ERR":
            raise DeviceError(f"The PIN pad does not know the command: {answer.status:03d}.")
        return answer

    async def _stop(self) -> None:
        """Cancel and wait for EOT; without it the pad is opened anew before the next PIN."""
        self._opened = False
        self._watch(Activity.CANCELLING)
        try:
            for _ in range(TRIES):
                await self._port.send(CAN)
                with anyio.move_on_after(self._ack_s):
                    while await self._next() is not Signal.EOT:
                        pass
                    return
        except DeviceError:
            return

    async def _next(self) -> Item:
        while not self._items:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        item = self._items.pop(0)
        if item is None:
            raise DeviceError("The PIN pad's port was lost.", code=READER_GONE)
        return item

    def _heard(self, items: list[Item]) -> None:
        self._items.extend(items)
        del self._items[:-INBOX_ITEMS]
        if items:
            self._arrived.set()

    def _lost(self) -> None:
        self._opened = False
        self._items.append(None)
        self._arrived.set()
