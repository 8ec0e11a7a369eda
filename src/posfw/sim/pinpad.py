"""A simulated ABECS PIN pad and its customer: the PIN never leaves it but enciphered."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import ByteStream

from posfw.card.abecs import Deframer, Packet, Signal, packet
from posfw.crypto.dukpt import next_counter
from posfw.crypto.pin_block import encrypt, pan_field, pin_field
from posfw.keys.software import SoftwareElement

__all__ = ["PadFaults", "PadSim"]

KEY_SERIAL: Final = bytes.fromhex("123456789012345600000001")
_PIN_FIELDS: Final = 1 + 2 + 32 + 2 + 19 + 1 + 2 + 2 + 32


@dataclass(slots=True)
class PadFaults:
    """What goes wrong next; counts run down.

    Attributes:
        refuse: packets answered with NAK.
        mute: packets that are not even acknowledged.
        wrong_crc: answers that go out damaged, once each.
        no_answer: commands acknowledged and never answered.
        deaf_to_cancel: cancellations without EOT.
    """

    refuse: int = 0
    mute: int = 0
    wrong_crc: int = 0
    no_answer: int = 0
    deaf_to_cancel: int = 0


@dataclass(slots=True)
class PadSim:
    """The device.

    Attributes:
        key: AES key of the PIN blocks, a test key; not used with `keys`.
        keys: makes a key for each block (AES DUKPT).
        customer: PIN of a customer who types at once, "" where somebody else acts.
        answer: replaces the answer to GET PIN, for pads that talk nonsense.
        asked: the lines shown for each PIN.
        entering: whether a customer is asked for a PIN now.
    """

    key: bytes = bytes(range(16))
    keys: SoftwareElement | None = None
    customer: str = ""
    faults: PadFaults = field(default_factory=PadFaults)
    answer: bytes | None = None
    asked: list[str] = field(default_factory=list)
    entering: bool = False
    opened: bool = False
    _pan: str = ""
    _counter: int = 0
    _stream: ByteStream | None = None
    _changed: anyio.Event = field(default_factory=anyio.Event)
    _last: bytes = b""

    async def serve(self, stream: ByteStream) -> None:
        """Speak on a wire until it breaks; a new wire finds the pad closed."""
        self._stream, self.entering, self.opened = stream, False, False
        deframer = Deframer()
        while True:
            for item in deframer.feed(await stream.receive()):
                if isinstance(item, Packet):
                    await self._packet(item.data)
                else:
                    await self._signal(item)

    async def waiting(self) -> None:
        """Return when a customer is asked for a PIN."""
        while not self.entering:
            self._changed = anyio.Event()
            await self._changed.wait()

    async def enter(self, pin: str) -> None:
        """Let the customer type a PIN and confirm it."""
        if self.answer is not None:
            await self._done(self.answer)
            return
        text = self._enciphered(pin).hex().upper()
        await self._done(f"GPN000{len(text):03d}{text}".encode())

    def _enciphered(self, pin: str) -> bytes:
        fields = (pin_field(pin, secrets.token_bytes(8)), pan_field(self._pan))
        if self.keys is None:
            return encrypt(self.key, *fields) + KEY_SERIAL
        self._counter = next_counter(self._counter)
        serial = self.keys.initial_key_id + self._counter.to_bytes(4, "big")
        return self.keys.pin_key(self._counter).encrypt(*fields) + serial

    async def give_up(self, *, too_slow: bool = False) -> None:
        """Let the customer press cancel, or do nothing for too long."""
        await self._done(b"GPN012" if too_slow else b"GPN013")

    async def _done(self, answer: bytes) -> None:
        if self.entering:
            self.entering = False
            await self._send(answer)

    async def _packet(self, data: bytes) -> None:
        if self.faults.mute:
            self.faults.mute -= 1
            return
        if self.faults.refuse:
            self.faults.refuse -= 1
            await self._raw(Signal.NAK.byte)
            return
        await self._raw(Signal.ACK.byte)
        if self.faults.no_answer:
            self.faults.no_answer -= 1
        elif data == b"OPN":
            self.opened = True
            await self._send(b"OPN000")
        elif data[:3] == b"GPN" and self.opened:
            await self._get_pin(data)
        else:
            await self._send(data[:3] + b"010" if self.opened else data[:3] + b"015")

    async def _get_pin(self, data: bytes) -> None:
        fields = data[6:].decode("ascii")
        size = int(fields[35:37]) if len(fields) == _PIN_FIELDS else 0
        if fields[:1] != "5" or not size:
            await self._send(b"GPN011")
            return
        self._pan = fields[37 : 37 + size]
        self.asked.append(fields[-32:])
        self.entering = True
        self._changed.set()
        if self.customer:
            await self.enter(self.customer)

    async def _signal(self, signal: Signal) -> None:
        if signal is Signal.NAK:
            await self._raw(self._last)
        elif signal is Signal.BROKEN:
            await self._raw(Signal.NAK.byte)
        elif signal is Signal.CAN:
            if self.faults.deaf_to_cancel:
                self.faults.deaf_to_cancel -= 1
                return
            self.entering = False
            await self._raw(Signal.EOT.byte)

    async def _send(self, data: bytes) -> None:
        self._last = packet(data)
        sent = self._last
        if self.faults.wrong_crc:
            self.faults.wrong_crc -= 1
            sent = sent[:-1] + bytes((sent[-1] ^ 0x55,))
        await self._raw(sent)

    async def _raw(self, data: bytes) -> None:
        if self._stream is not None:
            await self._stream.send(data)
