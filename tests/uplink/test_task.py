from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from posfw.codec.frame import Deframer, frame
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, InquiryState, Message, MessageType
from posfw.uplink.session import Opened, open_card, open_request, protect_answer
from posfw.uplink.task import Uplink, UplinkSettings
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import LinkError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Approved, Declined, NotFound, Unknown, Unreachable
from posfw.values.transaction import Begun, Intent, Kind, Owed, OwedKind, State, Transaction

TERMINAL, MERCHANT = "T0000001", "898310058120001"
ELEMENT = SoftwareElement(bytes(range(32)), b"KEYID001", bytes(32))
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

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self.into.receive()

    async def send(self, item: bytes) -> None:
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

    async def dial(self) -> ByteStream:
        self.dials += 1
        if self.down or self.group is None:
            await anyio.lowlevel.checkpoint()
            raise LinkError("No acquirer address answers.")
        a_out, b_in = anyio.create_memory_object_stream[bytes](64)
        b_out, a_in = anyio.create_memory_object_stream[bytes](64)
        self.line = Line(b_out, b_in)
        self.group.start_soon(self.serve, self.line)
        return Line(a_out, a_in)

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
    bank: Bank, rows: Rows, *, limit_s: float = 5.0, wait: bool = True
) -> AsyncIterator[Uplink]:
    settings = UplinkSettings(
        addresses=("localhost:1",),
        server_name="acquirer.test",
        terminal=TERMINAL,
        merchant=MERCHANT,
        authorise_timeout_s=limit_s,
        call_timeout_s=limit_s,
    )
    uplink = Uplink(
        journal=rows,
        element=ELEMENT,
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


async def test_an_authorisation_is_answered_under_its_own_key_with_the_card_under_encryption() -> (
    None
):
    bank = Bank(says("00", auth_code="123456"))
    async with running(bank, Rows()) as uplink:
        outcome = await uplink.authorise(begun(), CARD)
    assert isinstance(outcome, Approved)
    assert outcome.answer.auth_code == "123456"
    asked = bank.seen[0]
    assert (asked.batch, asked.stan, asked.fields[Field.AMOUNT]) == (3, 7, 1250)
    assert asked.fields[Field.PIN_BLOCK] == b"p" * 16
    sealed = asked.fields[Field.CARD]
    assert isinstance(sealed, bytes)
    assert open_card(sealed, key=begun().key, element=ELEMENT).number == CARD.number
    assert b"6250941006528599" not in bank.frames[0]


async def test_another_code_than_00_declines() -> None:
    async with running(Bank(says("51")), Rows()) as uplink:
        outcome = await uplink.authorise(begun(), CARD)
    assert isinstance(outcome, Declined)


async def test_reversals_and_script_results_go_before_the_sale() -> None:
    rows = Rows(
        Owed(1, OwedKind.REVERSAL, Key(TERMINAL, 3, 5), reason="98"),
        Owed(2, OwedKind.SCRIPT_RESULT, Key(TERMINAL, 3, 4)),
    )
    bank = Bank(says("00"))
    async with running(bank, rows) as uplink:
        await uplink.authorise(begun(), CARD)
    assert [each.type for each in bank.seen] == [
        MessageType.SCRIPT_RESULT,
        MessageType.REVERSAL,
        MessageType.AUTHORISE,
    ]
    reversal = bank.seen[1]
    assert (reversal.stan, dict(reversal.fields)) == (5, {Field.REASON: "98"})
    assert [end[1] for end in rows.ended] == ["acknowledged", "acknowledged"]


async def test_an_unanswered_reversal_keeps_the_sale_from_leaving() -> None:
    async def silent(opened: Opened, bank: Bank) -> list[bytes]:
        return []

    bank = Bank(silent)
    rows = Rows(Owed(1, OwedKind.REVERSAL, Key(TERMINAL, 3, 5), reason="98"))
    async with running(bank, rows, limit_s=0.1) as uplink:
        outcome = await uplink.authorise(begun(), CARD)
    assert isinstance(outcome, Unreachable)
    assert MessageType.AUTHORISE not in {each.type for each in bank.seen}
    assert len(rows.rows) == 1


async def test_forwarded_advices_carry_their_amount_and_end_by_the_acquirers_word() -> None:
    rows = Rows(
        *(Owed(n, OwedKind.ADVICE, Key(TERMINAL, 3, n), sealed=b"x") for n in range(1, 41))
    )

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        code = {1: "94", 2: "05"}.get(opened.message.stan, "00")
        return [answer(opened, code)]

    bank = Bank(reply)
    async with running(bank, rows) as uplink:
        with anyio.fail_after(5):
            await rows.empty.wait()
            assert isinstance(await uplink.inquire(Key(TERMINAL, 3, 1)), Unknown)
    assert rows.rows == []
    assert (1, "acknowledged", "94") in rows.ended
    assert (2, "rejected", "05") in rows.ended
    assert bank.seen[0].fields[Field.AMOUNT] == 1250
    assert Field.PIN_BLOCK not in bank.seen[0].fields


async def test_a_round_ends_when_the_acquirer_cannot_verify_us_and_the_message_stays() -> None:
    rows = Rows(Owed(1, OwedKind.REVERSAL, Key(TERMINAL, 3, 5), reason="98"))
    async with running(Bank(says("A0")), rows) as uplink:
        outcome = await uplink.authorise(begun(), CARD)
    assert isinstance(outcome, Unreachable)
    assert len(rows.rows) == 1


async def test_no_answer_in_time_is_unknown_and_never_unreachable() -> None:
    async def silent(opened: Opened, bank: Bank) -> list[bytes]:
        return []

    async with running(Bank(silent), Rows(), limit_s=0.05) as uplink:
        assert isinstance(await uplink.authorise(begun(), CARD), Unknown)


async def test_a_line_lost_after_the_request_left_is_unknown_at_once() -> None:
    async def hang_up(opened: Opened, bank: Bank) -> list[bytes]:
        assert bank.line is not None
        bank.down = True
        await bank.line.aclose()
        return []

    async with running(Bank(hang_up), Rows(), limit_s=30) as uplink:
        with anyio.fail_after(5):
            outcome = await uplink.authorise(begun(), CARD)
        assert isinstance(outcome, Unknown)
        assert not uplink.online


async def test_a_line_that_is_down_is_unreachable_and_a_call_raises() -> None:
    bank = Bank(says("00"))
    bank.down = True
    async with running(bank, Rows(), wait=False) as uplink:
        assert isinstance(await uplink.authorise(begun(), CARD), Unreachable)
        with pytest.raises(LinkError):
            await uplink.call("sign_on", {})


async def test_the_line_comes_back_by_itself() -> None:
    bank = Bank(says("00"))
    async with running(bank, Rows()) as uplink:
        assert bank.line is not None
        await bank.line.aclose()
        with anyio.fail_after(5):
            await uplink.changed()
            while not uplink.online:
                await uplink.changed()
            assert isinstance(await uplink.authorise(begun(), CARD), Approved)
    assert bank.dials == 2


async def test_answers_are_matched_by_key_whatever_their_order() -> None:
    kept: list[bytes] = []

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        kept.insert(0, answer(opened, auth_code=f"{opened.message.stan:06d}"))
        return kept if len(kept) == 3 else []

    found: dict[int, object] = {}
    async with running(Bank(reply), Rows()) as uplink:

        async def sell(stan: int) -> None:
            outcome = await uplink.authorise(begun(stan), CARD)
            found[stan] = outcome.answer.auth_code if isinstance(outcome, Approved) else outcome

        async with anyio.create_task_group() as group:
            for stan in (1, 2, 3):
                group.start_soon(sell, stan)
    assert found == {1: "000001", 2: "000002", 3: "000003"}


async def hostile_reflection(opened: Opened, bank: Bank) -> list[bytes]:
    return [bank.frames[-1]]


async def hostile_truncation(opened: Opened, bank: Bank) -> list[bytes]:
    return [answer(opened)[:-1], b"\x00"]


async def hostile_mac(opened: Opened, bank: Bank) -> list[bytes]:
    good = answer(opened)
    return [good[:-1] + bytes([good[-1] ^ 1])]


async def hostile_key(opened: Opened, bank: Bank) -> list[bytes]:
    other = SoftwareElement(bytes(32), b"KEYID001", bytes(32))
    return [answer(Opened(opened.message, opened.counter, opened.digest, other))]


async def hostile_kid(opened: Opened, bank: Bank) -> list[bytes]:
    return [answer(Opened(opened.message, opened.counter + 1, opened.digest, ELEMENT))]


async def hostile_digest(opened: Opened, bank: Bank) -> list[bytes]:
    return [answer(Opened(opened.message, opened.counter, bytes(32), ELEMENT))]


async def hostile_terminal(opened: Opened, bank: Bank) -> list[bytes]:
    asked = opened.message
    body = Message(
        asked.type,
        "T0000002",
        asked.merchant,
        asked.batch,
        asked.stan,
        {Field.RESPONSE_CODE: "00"},
    )
    return [protect_answer(body, opened)]


async def hostile_no_code(opened: Opened, bank: Bank) -> list[bytes]:
    return [protect_answer(opened.message, opened)]


@pytest.mark.parametrize(
    "attack",
    [
        hostile_reflection,
        hostile_truncation,
        hostile_mac,
        hostile_key,
        hostile_kid,
        hostile_digest,
        hostile_terminal,
        hostile_no_code,
    ],
)
async def test_a_hostile_answer_is_counted_and_approves_nothing(attack: Reply) -> None:
    async with running(Bank(attack), Rows(), limit_s=0.05) as uplink:
        assert isinstance(await uplink.authorise(begun(), CARD), Unknown)
        assert uplink.ignored >= 1
        assert uplink.online


async def test_a_replayed_approval_approves_no_later_sale() -> None:
    kept: list[bytes] = []

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        if not kept:
            kept.append(answer(opened))
        return kept

    async with running(Bank(reply), Rows(), limit_s=0.1) as uplink:
        assert isinstance(await uplink.authorise(begun(1), CARD), Approved)
        assert isinstance(await uplink.authorise(begun(2), CARD), Unknown)


async def test_an_inquiry_says_approved_declined_or_not_found() -> None:
    states = iter((InquiryState.APPROVED, InquiryState.REVERSED, InquiryState.NOT_FOUND))

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        return [answer(opened, inquiry_state=next(states))]

    async with running(Bank(reply), Rows()) as uplink:
        found = [type(await uplink.inquire(Key(TERMINAL, 3, 7))) for _ in range(3)]
    assert found == [Approved, Declined, NotFound]


async def test_a_call_goes_and_comes_by_names() -> None:
    bank = Bank(says("00", details={"closing_time": "2300"}, host_time="20261124093000"))
    async with running(bank, Rows()) as uplink:
        answered = await uplink.call("settle", {"batch": 3, "totals": [[156, 1, 2, 3, 4]], "x": 1})
    assert answered["closing_time"] == "2300"
    assert answered["response_code"] == "00"
    assert bank.seen[0].batch == 3
    assert bank.seen[0].fields[Field.DETAILS] == {"x": 1}
