"""A token pulled at every step of a sale: a clear state, nothing half done, and it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from posfw.app.keys import Keys
from posfw.keys.software import SoftwareElement
from posfw.sale.limits import Limits, OfflinePolicy
from posfw.sale.machine import Authorise, Inquire, Record, Seal
from posfw.sale.task import Sales
from posfw.uplink.session import Opened
from posfw.values import events
from posfw.values.errors import KeyStoreError
from posfw.values.transaction import Conclusion, Ending, State
from tests.journal.fakes import NOW, SALE, opened
from tests.uplink.acquirer import CARD, Bank, Clock, answer, running, says

pytestmark = pytest.mark.may_block  # the journal's file

KEYS = (bytes(range(32)), b"KEYID001", bytes(32))


class Slot:
    """Where the token is, or is not: each use of a pulled one fails, and so does opening it."""

    def __init__(self) -> None:
        self.away = False

    def open(self) -> Token:
        self.check()
        return Token(self)

    def check(self) -> None:
        if self.away:
            raise KeyStoreError("The token failed: DeviceRemoved.", code="SEC-011")


class Token(SoftwareElement):
    """The software element behind a slot."""

    __slots__ = ("_slot",)

    def __init__(self, slot: Slot) -> None:
        super().__init__(*KEYS)
        self._slot = slot

    def _alive(self, key: bytes) -> bytes:
        self._slot.check()
        return super()._alive(key)


def sales(journal: object, uplink: object, *, offline: bool = False) -> Sales:
    return Sales(
        journal=journal,  # type: ignore[arg-type]  # a real one
        acquirer=uplink,  # type: ignore[arg-type]  # as above
        clock=Clock(),
        limits=replace(Limits(), offline=OfflinePolicy(enabled=offline), batch_age_h=1e6),
        inquiry_timeout_s=0.2,
        lock=anyio.Lock(),
    )


INTENT = replace(SALE, at=NOW)


@pytest.mark.parametrize("step", [Record, Authorise, Inquire])
async def test_pulled_before_the_acquirer_spoke_it_is_reversed_once_the_token_is_back(
    step: type, tmp_path: Path
) -> None:
    slot = Slot()
    keys = Keys(slot.open)

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        # The sale itself is never answered: for INQUIRE the doubt must come first.
        return [] if opened.message.type.name == "AUTHORISE" else [answer(opened)]

    def watch(effect: object) -> None:
        if isinstance(effect, step):
            slot.away = True

    async with (
        opened(tmp_path, terminal="T0000001") as journal,
        running(Bank(reply), journal, limit_s=0.2, element=keys) as uplink,
    ):
        await signed_on(journal)
        ending = await sales(journal, uplink).run(INTENT, CARD, watch)
        assert isinstance(ending, Conclusion)
        assert ending.ending is Ending.UNKNOWN
        assert await journal.in_doubt() == []
        status = await keys.verbs()["keys"]({}, lambda _: None)
        assert (status["state"], status["code"]) == ("out_of_service", "SEC-011")
        found = await journal.transaction(ending.key)
        assert found is not None
        assert found.state is State.REVERSING
        slot.away = False
        with anyio.fail_after(10):
            while await journal.owed(1):
                await anyio.lowlevel.checkpoint()
        found = await journal.transaction(ending.key)
        assert found is not None
        assert found.state is State.REVERSED
        assert (await keys.verbs()["keys"]({}, lambda _: None))["state"] == "in_service"


async def test_pulled_before_the_answer_is_verified_nothing_is_approved(tmp_path: Path) -> None:
    slot = Slot()

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        if opened.message.type.name == "AUTHORISE":
            slot.away = True
        return [answer(opened)]

    async with (
        opened(tmp_path, terminal="T0000001") as journal,
        running(Bank(reply), journal, limit_s=0.2, element=Keys(slot.open)) as uplink,
    ):
        await signed_on(journal)
        ending = await sales(journal, uplink).run(INTENT, CARD)
        assert isinstance(ending, Conclusion)
        assert ending.ending is Ending.UNKNOWN
        slot.away = False
        with anyio.fail_after(10):
            while await journal.owed(1):
                await anyio.lowlevel.checkpoint()
        found = await journal.transaction(ending.key)
        assert found is not None
        assert found.state is State.REVERSED


async def test_pulled_while_a_sale_is_taken_offline_nothing_is_kept(tmp_path: Path) -> None:
    slot = Slot()
    bank = Bank(says("00"))
    bank.down = True

    def watch(effect: object) -> None:
        if isinstance(effect, Seal):
            slot.away = True

    async with (
        opened(tmp_path, terminal="T0000001") as journal,
        running(bank, journal, wait=False, element=Keys(slot.open)) as uplink,
    ):
        await signed_on(journal)
        ending = await sales(journal, uplink, offline=True).run(INTENT, CARD, watch)
        assert isinstance(ending, Conclusion)
        assert (ending.ending, ending.reason, ending.owed) == (Ending.CANCELLED, "SEC-011", ())
        assert (await journal.standing()).offline_count == 0
        assert await journal.next_job() is None  # no receipt either
        slot.away = False
        ending = await sales(journal, uplink, offline=True).run(INTENT, CARD)
        assert isinstance(ending, Conclusion)
        assert ending.ending is Ending.APPROVED_OFFLINE


def test_a_pulled_token_gives_no_card_token_so_no_intent_is_made() -> None:
    """The intent names the card's token: without the secure element there is no commit 1."""
    slot = Slot()
    keys: Keys = Keys(slot.open)
    uses: tuple[Callable[[], object], ...] = (
        lambda: keys.token(CARD.number),
        lambda: keys.mac_key(1),
    )
    slot.away = True
    for use in uses:
        with pytest.raises(KeyStoreError) as refused:
            use()
        assert refused.value.stable_code == "SEC-011"
        assert "out of service" in refused.value.effect_text


async def signed_on(journal: object) -> None:
    await journal.append(events.Record(events.Topic.SESSION, "signed_on", NOW))  # type: ignore[attr-defined]  # a real one
