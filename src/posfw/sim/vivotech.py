"""A simulated NEO 2 reader: takes commands, reads cards of the deck by tap, insert and swipe."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import reduce
from operator import xor
from typing import Final

import anyio
from anyio.abc import ByteStream, TaskGroup

from posfw.card.vivotech2 import EVENT_HEADER, HEADER
from posfw.codec.tlv import Node, encode, parse
from posfw.sim.cards import TestCard
from posfw.sim.chip.cryptograms import mac, master_key, unionpay_session_key
from posfw.sim.chip.issuer import FIELDS
from posfw.sim.chip.profile import ISSUER_KEY

__all__ = ["NeoFaults", "NeoSim", "Presented"]

FIRMWARE: Final = b"NEO 2.0 simulated v1.00"
_FIXED: Final = len(HEADER) + 4
_OK, _CRC, _TIMEOUT, _FAILED, _NOT_ALLOWED, _ONLINE = 0x00, 0x04, 0x08, 0x0A, 0x0B, 0x23
_ACTIVATE, _CANCEL = 0x02, 0x05
_GO_TO_CONTACT, _COLLISION, _NO_RESPONSE, _BLOCKED = 0x02, 0x21, 0x30, 0x25


class Presented(Enum):
    """What a customer does."""

    TAP = "tap"
    INSERT = "insert"
    SWIPE = "swipe"
    PULLED = "pulled"  # inserted, and out again too early
    TAPPED_SHORT = "tapped_short"
    TWO_CARDS = "two_cards"
    DECLINED = "declined"  # the card answers with an AAC
    BLOCKED = "blocked"
    INSERT_INSTEAD = "insert_instead"
    APPROVED_OFFLINE = "approved_offline"
    STRIPE_BY_TAP = "stripe_by_tap"
    OTHER_AMOUNT = "other_amount"  # a result of another activation
    ENCIPHERED = "enciphered"


@dataclass(slots=True)
class NeoFaults:
    """What goes wrong next; counts run down.

    Attributes:
        silent: commands that get no answer.
        wrong_crc: answers that go out damaged.
        misheard: commands that the reader did not understand (status 04).
        deaf_to_cancel: cancellations that get no answer.
        slow_rounds: rounds of the other tasks before each answer.
        late_result: a cancelled activation still answers, behind the confirmation.
    """

    silent: int = 0
    wrong_crc: int = 0
    misheard: int = 0
    deaf_to_cancel: int = 0
    slow_rounds: int = 0
    late_result: int = 0


@dataclass(slots=True)
class NeoSim:
    """The device.

    Attributes:
        burst: whether it reads stripes without being asked.
        shown: (display, beep, lamp, on) as they were set.
        configuration: terminal data.
        activations: amounts asked, minor units, in order.
        active: what the running activation was asked with.
        held: a contact card waits for the issuer's answer; only Cancel is taken.
    """

    faults: NeoFaults = field(default_factory=NeoFaults)
    burst: bool = False
    shown: list[tuple[int, ...]] = field(default_factory=list)
    configuration: list[Node] = field(default_factory=list)
    activations: list[int] = field(default_factory=list)
    active: dict[int, bytes] | None = None
    held: bool = False
    _stream: ByteStream | None = None
    _wait: anyio.CancelScope | None = None
    _changed: anyio.Event = field(default_factory=anyio.Event)

    async def serve(self, stream: ByteStream) -> None:
        """Speak on a wire until it breaks; a new wire finds the reader at rest."""
        self._stream, self.active = stream, None
        buffer = bytearray()
        async with anyio.create_task_group() as group:
            try:
                while True:
                    buffer += await stream.receive()
                    for number, sub, data in _commands(buffer):
                        await self._command(group, number, sub, data)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                group.cancel_scope.cancel()

    async def activated(self, count: int = 1) -> None:
        """Return when the activation that is the `count`th of all waits for a card."""
        while self.active is None or len(self.activations) < count:
            self._changed = anyio.Event()
            await self._changed.wait()

    async def present(self, card: TestCard, way: Presented = Presented.TAP) -> None:
        """Let a customer act; without an activation only a swipe in burst mode is seen."""
        if self.active is None:
            if self.burst and way is Presented.SWIPE:
                await self._send(_burst(card))
            return
        asked, self.active = self.active, None
        await self._send(_event(3, 0x03) + _event(1, 0x11))
        status, data = _answer(card, way, asked, len(self.activations))
        self.held = way is Presented.INSERT
        await self._reply(_ACTIVATE, status, data)

    async def _command(self, group: TaskGroup, number: int, sub: int, data: bytes | None) -> None:
        if self.faults.silent:
            self.faults.silent -= 1
            return
        for _ in range(self.faults.slow_rounds):
            await anyio.lowlevel.checkpoint()
        if data is None or self.faults.misheard:
            self.faults.misheard -= data is not None
            await self._reply(number, _CRC, b"")
        elif number == _CANCEL:
            await self._cancel()
        elif self.held:
            await self._reply(number, _NOT_ALLOWED, b"")
        elif self.active is not None:  # "interpreted as Cancel" (Kiosk V manual, p22)
            self._end()
            await self._reply(number, _NOT_ALLOWED, b"")
        elif number == _ACTIVATE and sub == 0x40:
            await self._activate(group, data)
        else:
            await self._simple(number, sub, data)

    async def _simple(self, number: int, sub: int, data: bytes) -> None:
        answers = {(0x18, 0x01): b"", (0x29, 0x00): FIRMWARE + b"\0"}
        if (number, sub) == (0x04, 0x00):
            self.configuration = parse(data)
        elif (number, sub) == (0x03, 0x02):
            await self._reply(number, _OK, encode(self.configuration))
            return
        elif (number, sub) == (0x01, 0x02):
            self.shown.append(tuple(data))
        elif (number, sub) not in answers:
            await self._reply(number, 0x02, b"")
            return
        await self._reply(number, _OK, answers.get((number, sub), b""))

    async def _activate(self, group: TaskGroup, data: bytes) -> None:
        self.active = {node.tag: node.value for node in parse(data[1:])}
        self.activations.append(int(self.active[0x9F02].hex()))
        self._changed.set()
        group.start_soon(self._run_out, self.active, data[0])

    async def _run_out(self, active: dict[int, bytes], wait_s: int) -> None:
        with anyio.CancelScope() as self._wait:
            await anyio.sleep(wait_s)
            if self.active is active:
                self.active = None
                await self._reply(_ACTIVATE, _TIMEOUT, b"")

    async def _cancel(self) -> None:
        if self.faults.deaf_to_cancel:
            self.faults.deaf_to_cancel -= 1
            return
        asked = self._end()
        await self._reply(_CANCEL, _OK, b"")
        if asked is not None and self.faults.late_result:
            self.faults.late_result -= 1
            await self._reply(_ACTIVATE, _FAILED, b"\x01\xff\xee\x1f\x04\x30\0\0\0")

    def _end(self) -> dict[int, bytes] | None:
        asked, self.active = self.active, None
        self.held = False
        if self._wait is not None:
            self._wait.cancel()
        return asked

    async def _reply(self, number: int, status: int, data: bytes) -> None:
        body = HEADER + bytes((number, status)) + len(data).to_bytes(2, "big") + data
        crc = crc_hqx(body, 0xFFFF)
        if self.faults.wrong_crc:
            self.faults.wrong_crc -= 1
            crc ^= 0x5555
        await self._send(body + crc.to_bytes(2, "big"))

    async def _send(self, data: bytes) -> None:
        if self._stream is not None:
            await self._stream.send(data)


def _commands(buffer: bytearray) -> Iterator[tuple[int, int, bytes | None]]:
    """Take commands out of the buffer; strict: little-endian CRC only. None: a wrong CRC."""
    while True:
        start = buffer.find(HEADER)
        if start < 0:
            del buffer[: max(0, len(buffer) - len(HEADER) + 1)]
            return
        del buffer[:start]
        size = int.from_bytes(buffer[12:14], "big")
        whole = _FIXED + size + 2
        if len(buffer) < max(_FIXED, whole):
            return
        frame = bytes(buffer[:whole])
        del buffer[:whole]
        fits = crc_hqx(frame[:-2], 0xFFFF).to_bytes(2, "little") == frame[-2:]
        yield frame[10], frame[11], frame[_FIXED:-2] if fits else None


def _answer(
    card: TestCard, way: Presented, asked: dict[int, bytes], atc: int
) -> tuple[int, bytes]:
    errors = {
        Presented.PULLED: (0x00, _NO_RESPONSE),
        Presented.TAPPED_SHORT: (0x01, _NO_RESPONSE),
        Presented.TWO_CARDS: (0x01, _COLLISION),
        Presented.BLOCKED: (0x00, _BLOCKED),
        Presented.INSERT_INSTEAD: (0x01, _GO_TO_CONTACT),
    }
    if way in errors:
        captured, code = errors[way]
        return _FAILED, bytes((captured, 0xFF, 0xEE, 0x1F, 4, code, 0x69, 0x85, 3))
    if way is Presented.SWIPE:
        return _OK, b"\x08" + encode([Node(0xDFEE23, _stripe(card)), Node(0x9F39, b"\x90")])
    fields = _chip_fields(card, asked, atc)
    attribution = b"\x00" if way is Presented.INSERT else b"\x01"
    status = _ONLINE
    if way is Presented.DECLINED:
        fields[0x9F27], status = b"\x00", _OK
    elif way is Presented.APPROVED_OFFLINE:
        fields[0x9F27], status = b"\x40", _OK
    elif way is Presented.STRIPE_BY_TAP:
        attribution = b"\x11"
    elif way is Presented.OTHER_AMOUNT:
        fields[0x9F02] = bytes.fromhex("000000999999")
    elif way is Presented.ENCIPHERED:
        attribution = b"\xc1"
    return status, attribution + encode([Node(tag, value) for tag, value in fields.items()])


def _chip_fields(card: TestCard, asked: dict[int, bytes], atc: int) -> dict[int, bytes]:
    """What a card and the reader's kernel give; the cryptogram is the simulated issuer's."""
    track2 = card.track2.replace("=", "D")
    digits = card.number.reveal()
    fields = {
        0x57: bytes.fromhex(track2 + "F" * (len(track2) % 2)),
        0x5A: bytes.fromhex(digits + "F" * (len(digits) % 2)),
        0x5F34: b"\x01",
        0x5F20: b"TEST/CARD",
        0x9F27: b"\x80",
        0x9F10: bytes.fromhex("07010103A00000"),
        0x9F37: bytes.fromhex("AABBCCDD"),
        0x9F36: atc.to_bytes(2, "big"),
        0x95: bytes(5),
        0x9A: bytes.fromhex("261124"),
        0x9C: asked.get(0x9C, b"\x00"),
        0x9F02: asked[0x9F02],
        0x9F03: bytes(6),
        0x5F2A: asked.get(0x5F2A, b"\x01\x56"),
        0x82: b"\x7c\x00",
        0x9F1A: b"\x01\x56",
        0x9F33: bytes.fromhex("E0F8C8"),
        0x9F34: bytes.fromhex("020300"),
        0x84: bytes.fromhex("A000000333010101"),
        0x9F41: asked.get(0x9F41, bytes(4)),
    }
    key = unionpay_session_key(master_key(ISSUER_KEY, digits, 1), fields[0x9F36])
    covered = b"".join(fields[tag] for tag in FIELDS) + fields[0x9F10][3:]
    return fields | {0x9F26: mac(key, covered)}


def _stripe(card: TestCard) -> bytes:
    """ID TECH's enhanced format, clear data (SecureMag manual, p43)."""
    tracks = (f"%{card.track1}?".encode(), f";{card.track2}?".encode(), b"")
    data = bytes((0x80, 0x1B, *map(len, tracks), 0x83, 0x00)) + b"".join(tracks) + b"0000000001"
    check = bytes((reduce(xor, data), sum(data) & 0xFF))
    return b"\x02" + len(data).to_bytes(2, "little") + data + check + b"\x03"


def _event(component: int, state: int) -> bytes:
    body = EVENT_HEADER + bytes((4, component, state, 0, 0))
    return body + crc_hqx(body, 0xFFFF).to_bytes(2, "big")


def _burst(card: TestCard) -> bytes:
    body = b"\x01\x00\x0a" + f"%{card.track1}?;{card.track2}?".encode()
    return body + crc_hqx(body, 0xFFFF).to_bytes(2, "big")
