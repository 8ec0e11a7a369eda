"""The secure element fails in the middle: doubt or nothing, a clear state, and it comes back."""

from __future__ import annotations

import anyio
import pytest

from posfw.keys.software import HmacKey, SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType
from posfw.uplink.session import Opened
from posfw.uplink.task import LineState
from posfw.values.errors import KeyStoreError, LinkError
from posfw.values.identity import Key
from posfw.values.outcome import Approved, Unknown
from posfw.values.transaction import Owed, OwedKind
from tests.uplink.acquirer import CARD, TERMINAL, Bank, Rows, answer, begun, running, says


class Pulled(SoftwareElement):
    """A token that is pulled when the test says so."""

    __slots__ = ("away",)

    def __init__(self) -> None:
        super().__init__(bytes(range(32)), b"KEYID001", bytes(32))
        self.away = False

    def mac_key(self, counter: int, *, answer: bool = False) -> HmacKey:
        if self.away:
            raise KeyStoreError("The token failed.", code="SEC-011")
        return super().mac_key(counter, answer=answer)


async def test_a_token_pulled_before_sending_leaves_doubt_and_sends_nothing() -> None:
    bank, element = Bank(says("00")), Pulled()
    async with running(bank, Rows(), element=element) as uplink:
        element.away = True
        outcome = await uplink.authorise(begun(), CARD)
        assert outcome == Unknown("the secure element failed (SEC-011)")
        assert isinstance(await uplink.inquire(begun().key), Unknown)
        with pytest.raises(KeyStoreError):
            await uplink.call("sign_on", {})
        assert bank.seen == []
        element.away = False
        assert isinstance(await uplink.authorise(begun(), CARD), Approved)


async def test_a_token_pulled_before_the_answer_ends_the_line_with_its_code() -> None:
    element = Pulled()

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        element.away = True
        return [answer(opened)]

    async with running(Bank(reply), Rows(), element=element) as uplink:
        with anyio.fail_after(5):
            assert isinstance(await uplink.authorise(begun(), CARD), Unknown)
            while uplink.state.code != "NET-132":
                await uplink.changed()
            assert not uplink.online
            element.away = False
            while uplink.state.line is not LineState.ONLINE:
                await uplink.changed()


async def test_keys_used_up_take_the_line_down_and_what_is_owed_stays() -> None:
    class Exhausted(Rows):
        async def reserve_counters(self, count: int) -> int:
            raise KeyStoreError("The DUKPT counter is used up.", code="SEC-010")

    rows = Exhausted(Owed(1, OwedKind.REVERSAL, Key(TERMINAL, 3, 5), reason="98"))
    async with running(Bank(says("00")), rows, wait=False) as uplink:
        with anyio.fail_after(5):
            while uplink.state.code != "NET-132":
                await uplink.changed()
    assert len(rows.rows) == 1


async def test_a_terminal_that_hears_of_another_version_does_not_sign_on() -> None:
    async with running(Bank(says("00", details={"version": 9})), Rows()) as uplink:
        with pytest.raises(LinkError) as refused:
            await uplink.call("sign_on", {})
    assert refused.value.stable_code == "NET-131"


async def test_sign_on_offers_every_version_that_is_spoken() -> None:
    bank = Bank(says("00", details={"version": 1}))
    async with running(bank, Rows()) as uplink:
        await uplink.call("sign_on", {"batch": 3})
    asked: Message = bank.seen[0]
    assert asked.type is MessageType.SIGN_ON
    assert asked.fields[Field.DETAILS] == {"versions": [1]}
