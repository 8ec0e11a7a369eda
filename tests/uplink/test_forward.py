"""What is owed: order, pipelining, waits, and nothing lost."""

from __future__ import annotations

import anyio

from posfw.uplink.messages import Field, MessageType
from posfw.uplink.session import Opened
from posfw.values.identity import Key
from posfw.values.outcome import Approved, Unknown, Unreachable
from posfw.values.transaction import Owed, OwedKind
from tests.uplink.acquirer import (
    ANCHOR,
    CARD,
    TERMINAL,
    Bank,
    Rows,
    answer,
    begun,
    running,
    says,
)


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
    assert (reversal.stan, dict(reversal.fields)) == (
        5,
        {Field.REASON: "98", Field.ANCHOR: ANCHOR},
    )
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


async def test_many_silent_messages_of_one_kind_do_not_keep_later_ones() -> None:
    silent = [Owed(n, OwedKind.REVERSAL, Key(TERMINAL, 3, n), reason="98") for n in range(1, 41)]
    rows = Rows(*silent, Owed(41, OwedKind.ADVICE, Key(TERMINAL, 3, 41), sealed=b"x"))

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        return [] if opened.message.type is MessageType.REVERSAL else [answer(opened)]

    async with running(Bank(reply), rows, limit_s=0.1):
        with anyio.fail_after(5):
            while not rows.ended:
                await anyio.lowlevel.checkpoint()
    assert rows.ended == [(41, "acknowledged", "00")]


async def test_stored_messages_are_on_the_line_together() -> None:
    rows = Rows(
        *(Owed(n, OwedKind.ADVICE, Key(TERMINAL, 3, n), sealed=b"x") for n in range(1, 33))
    )
    waiting: list[bytes] = []

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        waiting.append(answer(opened))
        return waiting if len(waiting) == 31 else []  # nothing until all but one have come

    async with running(Bank(reply), rows):
        with anyio.fail_after(5):
            while len(rows.ended) < 31:
                await anyio.lowlevel.checkpoint()


async def test_a_sale_in_the_middle_of_a_drain_waits_for_one_message_at_most() -> None:
    rows = Rows(
        *(Owed(n, OwedKind.ADVICE, Key(TERMINAL, 3, n), sealed=b"x") for n in range(100, 600))
    )
    started = anyio.Event()

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        if len(bank.seen) == 50:
            started.set()
        return [answer(opened)]

    bank = Bank(reply)
    async with running(bank, rows) as uplink:
        with anyio.fail_after(5):
            await started.wait()
            assert bank.terminals is not None
            sent = bank.terminals.sent
            assert isinstance(await uplink.authorise(begun(), CARD), Approved)
            await rows.empty.wait()
    # Every frame before the sale's was on the line when the sale began, but for one.
    assert bank.arrived.index(MessageType.AUTHORISE) <= sent + 1
    assert bank.arrived.count(MessageType.ADVICE) == 500


async def test_a_reversal_that_lands_while_the_rows_are_read_is_not_waited_for_again() -> None:
    released = anyio.Event()

    class Late(Rows):
        gate = False

        async def owed(self, limit: int, after: int = 0) -> list[Owed]:
            found = await super().owed(limit, after)
            if self.gate:
                self.gate = False
                released.set()
                await self.empty.wait()
                for _ in range(50):  # the reversal has landed, and is in what was read
                    await anyio.lowlevel.checkpoint()
            return found

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        if opened.message.type is MessageType.REVERSAL:
            await released.wait()
        return [answer(opened)]

    rows = Late(Owed(1, OwedKind.REVERSAL, Key(TERMINAL, 3, 5), reason="98"))
    async with running(bank := Bank(reply), rows, limit_s=60) as uplink:
        with anyio.fail_after(10):  # half the limit would be 30 s
            while not bank.seen:
                await anyio.lowlevel.checkpoint()
            rows.gate = True
            assert isinstance(await uplink.authorise(begun(), CARD), Approved)


async def test_a_supervisors_clearing_lets_the_rest_go_on() -> None:
    async def silent(opened: Opened, bank: Bank) -> list[bytes]:
        return [] if opened.message.type is MessageType.REVERSAL else [answer(opened)]

    rows = Rows(Owed(1, OwedKind.REVERSAL, Key(TERMINAL, 3, 5), reason="98"))
    async with running(Bank(silent), rows, limit_s=0.1) as uplink:
        assert isinstance(await uplink.authorise(begun(), CARD), Unreachable)
        rows.rows.clear()
        with anyio.fail_after(5):
            assert isinstance(await uplink.authorise(begun(8), CARD), Approved)
