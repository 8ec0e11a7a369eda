"""The line: sales, inquiries, calls, and its coming back."""

from __future__ import annotations

import anyio
import pytest

from posfw.uplink.messages import Field, InquiryState
from posfw.uplink.session import Opened, open_card
from posfw.values.errors import LinkError
from posfw.values.identity import Key
from posfw.values.outcome import Approved, Declined, NotFound, Unknown, Unreachable
from tests.uplink.acquirer import (
    CARD,
    ELEMENT,
    TERMINAL,
    Bank,
    Rows,
    answer,
    begun,
    running,
    says,
)


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


async def test_a_call_waits_for_the_attempt_that_is_under_way() -> None:
    async with running(Bank(says("00")), Rows(), wait=False) as uplink:
        assert not uplink.online
        await anyio.lowlevel.checkpoint()  # the first dial has begun
        assert (await uplink.call("echo", {}))["response_code"] == "00"


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
