"""One line in memory, an acquirer of a few lines at its end, and a journal of rows in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
from anyio.abc import ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from posfw.codec.frame import Deframer, frame
from posfw.keys.software import SoftwareElement
from posfw.ports import SecureElement
from posfw.uplink.messages import Field, Message, MessageType
from posfw.uplink.session import Opened, open_request, protect_answer
from posfw.uplink.task import ForwardJournal, Uplink, UplinkSettings
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import LinkError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind, Owed, State, Transaction

TERMINAL, MERCHANT = "T0000001", "898310058120001"
ELEMENT = SoftwareElement(bytes(range(32)), b"KEYID001", bytes(32))
ANCHOR = bytes(range(8)) + b"\x07"
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CARD = CardRead(
    CardNumber("6250941006528599"), EntryMode.SWIPED, "3012", "201", pin_block=Secret(b"p" * 16)
)

Reply = Callable[[Opened, "Bank"], Awaitable[list[bytes]]]


class Line(ByteStream):
    """One end of a line in memory."""

    def __init__(
        self, out: MemoryObjectSendStream[bytes], into: MemoryObjectReceiveStream[bytes]
    ) -> None:
        self.out, self.into = out, into
        self.sent = 0  # frames, one a call

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self.into.receive()

    async def send(self, item: bytes) -> None:
        self.sent += 1
        await self.out.send(bytes(item))

    async def send_eof(self) -> None:
        self.out.close()

    async def aclose(self) -> None:
        self.out.close()
        self.into.close()


class Clock:
    def monotonic(self) -> float:
        return anyio.current_time()

    def now(self) -> datetime:
        return NOW


class Chance:
    def token(self, size: int) -> bytes:
        return b"n" * size

    def uniform(self, low: float, high: float) -> float:
        return low


class Rows:
    """ForwardJournal in memory."""

    def __init__(self, *rows: Owed) -> None:
        self.rows = list(rows)
        self.counter = 0x1000
        self.witnessed: list[bytes] = []
        self.ended: list[tuple[int, str, str]] = []
        self.added = anyio.Event()
        self.empty = anyio.Event()

    def _end(self, owed: Owed, word: str, code: str) -> None:
        self.rows.remove(owed)
        self.ended.append((owed.number, word, code))
        if not self.rows:
            self.empty.set()

    async def owed(self, limit: int, after: int = 0) -> list[Owed]:
        return self.rows[:limit]

    async def acknowledge(self, owed: Owed, code: str, at: datetime) -> None:
        self._end(owed, "acknowledged", code)

    async def reject(self, owed: Owed, code: str, at: datetime) -> None:
        self._end(owed, "rejected", code)

    async def clear(self, owed: Owed, operator: str, reason: str, at: datetime) -> None:
        raise NotImplementedError

    async def reserve_counters(self, count: int) -> int:
        first, self.counter = self.counter, self.counter + count
        return first

    async def changed(self) -> None:
        await self.added.wait()
        self.added = anyio.Event()

    def anchor(self) -> bytes:
        return ANCHOR

    async def witness(self, data: bytes, at: datetime) -> str:
        self.witnessed.append(data)
        return ""

    async def transaction(self, key: Key) -> Transaction:
        return Transaction(begun(key.stan), State.APPROVED)


class Bank:
    """An acquirer of a few lines; `reply` decides what goes back for everything but echoes."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.seen: list[Message] = []
        self.kids: list[tuple[int, bytes]] = []
        self.frames: list[bytes] = []
        self.down = False
        self.dials = 0
        self.group: anyio.abc.TaskGroup | None = None
        self.line: Line | None = None
        self.terminals: Line | None = None
        self.arrived: list[MessageType] = []  # echoes too

    async def dial(self) -> ByteStream:
        self.dials += 1
        if self.down or self.group is None:
            await anyio.lowlevel.checkpoint()
            raise LinkError("No acquirer address answers.")
        a_out, b_in = anyio.create_memory_object_stream[bytes](64)
        b_out, a_in = anyio.create_memory_object_stream[bytes](64)
        self.line = Line(b_out, b_in)
        self.group.start_soon(self.serve, self.line)
        self.terminals = Line(a_out, a_in)
        return self.terminals

    async def serve(self, line: Line) -> None:
        deframer = Deframer()
        async with line:
            try:
                while True:
                    for data in deframer.feed(await line.receive()):
                        for answer in await self.answers(data):
                            await line.send(frame(answer))
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                self.line = None

    async def answers(self, data: bytes) -> list[bytes]:
        opened = open_request(data, lambda _: ELEMENT)
        self.arrived.append(opened.message.type)
        if opened.message.type is MessageType.ECHO:
            return [answer(opened)]
        self.seen.append(opened.message)
        self.frames.append(data)
        return await self.reply(opened, self)


def answer(opened: Opened, code: str = "00", **fields: object) -> bytes:
    asked = opened.message
    named = {Field[name.upper()]: value for name, value in fields.items()}
    body = Message(
        asked.type,
        asked.terminal,
        asked.merchant,
        asked.batch,
        asked.stan,
        {Field.RESPONSE_CODE: code, **named},  # type: ignore[dict-item]
    )
    return protect_answer(body, opened)


def says(code: str, **fields: object) -> Reply:
    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        return [answer(opened, code, **fields)]

    return reply


def begun(stan: int = 7) -> Begun:
    intent = Intent(
        Kind.SALE, Money(1250), EntryMode.SWIPED, CARD.number.masked, b"t" * 16, "01", NOW
    )
    return Begun(Key(TERMINAL, 3, stan), stan, intent)


@asynccontextmanager
async def running(
    bank: Bank,
    rows: ForwardJournal,
    *,
    limit_s: float = 5.0,
    wait: bool = True,
    element: SecureElement = ELEMENT,
) -> AsyncIterator[Uplink]:
    settings = UplinkSettings(
        addresses=("localhost:1",),
        server_name="acquirer.test",
        terminal=TERMINAL,
        merchant=MERCHANT,
        authorise_timeout_s=limit_s,
        call_timeout_s=limit_s,
        retry_base_s=0.01,
        retry_cap_s=0.1,
    )
    uplink = Uplink(
        journal=rows,
        element=element,
        random=Chance(),
        clock=Clock(),
        settings=settings,
        dial=bank.dial,
    )
    async with anyio.create_task_group() as group:
        bank.group = group
        group.start_soon(uplink.run)
        with anyio.fail_after(5):
            while wait and not uplink.online:
                await uplink.changed()
        yield uplink
        group.cancel_scope.cancel()
