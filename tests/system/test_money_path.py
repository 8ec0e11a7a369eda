"""Journal, sale and uplink as the terminal joins them, against the simulated acquirer over TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from posfw.app.world import SystemChance, SystemClock
from posfw.crypto.dukpt import initial_key
from posfw.journal.store import Journal
from posfw.keys.software import SoftwareElement
from posfw.sale.limits import Limits, OfflinePolicy, Refusal
from posfw.sale.task import Sales
from posfw.sim.acquirer import Acquirer
from posfw.sim.certificates import SERVER_NAME, Certificates, make
from posfw.uplink.driver import dialler
from posfw.uplink.settings import UplinkSettings
from posfw.uplink.task import Uplink
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Conclusion, Ending, Intent, Kind, State

pytestmark = [pytest.mark.system, pytest.mark.may_block]

TERMINAL = "12345678"
KEY_ID = bytes.fromhex("1234567890123456")
BASE_KEY = bytes(range(32))
CARD = CardRead(CardNumber("6212345678901232"), EntryMode.SWIPED, "2812", "101")
LIMITS = Limits(offline=OfflinePolicy(enabled=True, per_transaction_minor=5_000))


@dataclass
class Bench:
    """One terminal and its acquirer."""

    acquirer: Acquirer
    journal: Journal
    uplink: Uplink
    sales: Sales

    async def sell(self, minor: int, card: CardRead = CARD) -> Conclusion:
        intent = Intent(
            kind=Kind.SALE,
            amount=Money(minor),
            entry_mode=card.entry_mode,
            card_masked=card.number.masked,
            card_token=b"t" * 16,
            operator="01",
            at=datetime.now().astimezone(),
            expiry=card.expiry,
        )
        return await self.run(intent, card)

    async def run(self, intent: Intent, card: CardRead | None) -> Conclusion:
        ending = await self.sales.run(intent, card)
        assert not isinstance(ending, Refusal), ending
        return ending

    async def state(self, key: Key) -> State:
        found = await self.journal.transaction(key)
        assert found is not None
        return found.state

    async def until_nothing_is_owed(self) -> None:
        with anyio.fail_after(15):
            while await self.journal.owed(1):
                await anyio.sleep(0.01)

    async def until_online(self, *, online: bool = True) -> None:
        with anyio.fail_after(15):
            while self.uplink.online is not online:
                await anyio.sleep(0.01)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Acquirer, Certificates, int]]:
    acquirer = Acquirer(BASE_KEY)
    certificates = make(folder / "tls", TERMINAL)
    async with anyio.create_task_group() as group:
        port = await group.start(acquirer.serve, certificates, 0)
        yield acquirer, certificates, port
        group.cancel_scope.cancel()


@asynccontextmanager
async def terminal(
    folder: Path, acquirer: Acquirer, certificates: Certificates, port: int
) -> AsyncIterator[Bench]:
    element = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, b"s" * 32)
    clock = SystemClock()
    settings = UplinkSettings(
        addresses=(f"127.0.0.1:{port}",),
        server_name=SERVER_NAME,
        terminal=TERMINAL,
        merchant="898110154110001",
        authorise_timeout_s=0.6,
        heartbeat_s=5.0,
        retry_base_s=0.05,
        retry_cap_s=0.2,
    )
    dial = dialler(
        ca=certificates.ca,
        certificate=certificates.device,
        key=certificates.device_key,
        settings=settings,
    )
    async with Journal.open(
        folder / "journal.db",
        terminal=TERMINAL,
        chain_key=element.chain_key(),
        clock=clock,
        create=True,
    ) as journal:
        await journal.append(Record(Topic.SESSION, "signed_on", clock.now()))
        uplink = Uplink(
            journal=journal,
            element=element,
            random=SystemChance(),
            clock=clock,
            settings=settings,
            dial=dial,
        )
        sales = Sales(
            journal=journal,
            acquirer=uplink,
            clock=clock,
            limits=LIMITS,
            inquiry_timeout_s=1.0,
            lock=anyio.Lock(),
        )
        await sales.recover()
        async with anyio.create_task_group() as group:
            group.start_soon(uplink.run)
            bench = Bench(acquirer, journal, uplink, sales)
            yield bench
            group.cancel_scope.cancel()


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    async with (
        served(folder) as (acquirer, certificates, port),
        terminal(folder, acquirer, certificates, port) as made,
    ):
        await made.until_online()
        yield made


async def balanced(made: Bench) -> bool:
    """I1: the bank's live postings are the terminal's approved rows: key, amount, direction."""
    ours = sorted(
        [t.key.stan, t.begun.intent.amount.minor, t.begun.intent.kind.direction]
        for t in await made.journal.transactions()
        if t.counts
    )
    return ours == made.acquirer.bank.records(TERMINAL, 1)


async def test_approved_and_declined_sales_balance(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        assert (await made.sell(1200)).ending is Ending.APPROVED
        declined = await made.sell(1251)
        assert declined.ending is Ending.DECLINED
        assert declined.answer is not None
        assert declined.answer.response_code == "51"
        assert await balanced(made)
        assert await made.journal.verify() is None


async def test_voids_and_refunds_reach_the_bank_by_their_originals(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        first, second = await made.sell(1200), await made.sell(3000)
        found = await made.journal.transaction(first.key)
        assert found is not None
        void = replace(found.begun.intent, kind=Kind.VOID, original=first.key)
        assert (await made.run(void, None)).ending is Ending.APPROVED
        refund = replace(void, kind=Kind.REFUND, amount=Money(1000), original=second.key)
        assert (await made.run(refund, None)).ending is Ending.APPROVED
        assert await balanced(made)
        totals = made.acquirer.bank.totals(TERMINAL, 1)
        assert totals["debit_minor"] == 4200
        assert totals["credit_minor"] == 2200


async def test_a_lost_answer_is_found_by_the_inquiry(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.acquirer.faults.lose_answers = 1
        assert (await made.sell(1200)).ending is Ending.APPROVED
        assert await balanced(made)


async def test_an_answer_after_the_reversal_approves_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.acquirer.faults.hold_answers = 1
        made.acquirer.faults.lose_inquiries = 1
        ending = await made.sell(1200)
        assert ending.ending is Ending.UNKNOWN
        await made.until_nothing_is_owed()
        assert await made.state(ending.key) is State.REVERSED
        assert made.acquirer.bank.records(TERMINAL, 1) == []
        assert await balanced(made)
        assert (await made.sell(1300)).ending is Ending.APPROVED


async def test_an_answer_with_a_wrong_code_is_no_answer(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.acquirer.faults.wrong_macs = 1
        assert (await made.sell(1200)).ending is Ending.APPROVED  # by inquiry
        assert made.uplink.ignored == 1


async def test_a_duplicate_answer_changes_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.acquirer.faults.duplicate_answers = 1
        await made.sell(1200)
        await made.sell(1300)
        assert await balanced(made)


async def test_a_dead_line_sells_on_within_limits_and_drains(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await made.acquirer.set_down(down=True)
        await made.until_online(online=False)
        stored = await made.sell(1200)
        assert stored.ending is Ending.APPROVED_OFFLINE
        assert (await made.sell(5001)).ending is Ending.CANCELLED
        keyed = CardRead(CARD.number, EntryMode.KEYED, "2812")
        assert (await made.sell(1300, keyed)).ending is Ending.CANCELLED
        assert not await balanced(made)
        await made.acquirer.set_down(down=False)
        await made.until_nothing_is_owed()
        assert await balanced(made)


async def test_a_cut_between_sending_and_answer_is_reversed_at_restart(tmp_path: Path) -> None:
    async with served(tmp_path) as (acquirer, certificates, port):
        async with terminal(tmp_path, acquirer, certificates, port) as made:
            await made.until_online()
            acquirer.faults.hold_answers = 1
            async with anyio.create_task_group() as group:
                group.start_soon(made.sell, 1200)
                with anyio.fail_after(5):
                    while not acquirer.asked:
                        await anyio.sleep(0.01)
                group.cancel_scope.cancel()
        assert len(acquirer.bank.records(TERMINAL, 1)) == 1
        async with terminal(tmp_path, acquirer, certificates, port) as made:
            await made.until_nothing_is_owed()
            assert acquirer.bank.records(TERMINAL, 1) == []
            assert await balanced(made)
            assert (await made.journal.standing()).in_doubt == 0


async def test_no_card_number_is_in_the_journals_files(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await made.sell(1200)
        await made.acquirer.set_down(down=True)
        await made.until_online(online=False)
        await made.sell(1300)
        number = CARD.number.reveal()
        forms = (number.encode(), bytes.fromhex(number), number.encode("utf-16-le"))

        def hits() -> list[str]:
            files = [path for path in tmp_path.iterdir() if path.is_file()]
            return [p.name for p in files for form in forms if form in p.read_bytes()]

        assert hits() == []
        (tmp_path / "planted").write_bytes(b"x" + number.encode() + b"x")
        assert hits() == ["planted"]
