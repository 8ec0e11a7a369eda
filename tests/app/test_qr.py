from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from posfw.app import graph
from posfw.app.qr import VERBS, QrDesk, Telephone
from posfw.app.scans import Code
from posfw.values.card import EntryMode, Secret
from posfw.values.errors import InputError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Outcome, Waiting
from posfw.values.transaction import Begun, Intent, Kind, State
from tests.app.fakes import NOW, SetClock
from tests.app.till import Till, till

CODE = "281234567890123456"


def desk(shop: Till, scanned: Code | None = None) -> QrDesk:
    async def next_code(_: float) -> Code | None:
        return scanned

    return QrDesk(shop.cashier, shop.line.close, next_code)


async def test_the_graph_names_exactly_these_verbs(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        assert graph.PAYERS == VERBS == tuple(desk(shop).verbs())


async def test_a_typed_or_scanned_code_pays_at_once_and_is_masked_everywhere(
    tmp_path: Path,
) -> None:
    async with till(tmp_path) as shop:
        typed = await shop.do(desk(shop), "qr_pay", amount="8.00", code=CODE)
        scan = Secret(CODE.encode())
        scanned = await shop.do(desk(shop, scan), "qr_pay", amount="9.00")
        assert [typed["ending"], scanned["ending"]] == ["success", "success"]
        assert [each["screen"] for each in shop.told] == ["scan", "asking"]
        for transaction in await shop.journal.transactions():
            intent = transaction.begun.intent
            assert intent.kind is Kind.QR_SALE
            assert intent.entry_mode is EntryMode.QR
            assert intent.card_masked == "281234********3456"
        assert await shop.agrees()
        assert CODE.encode() not in (tmp_path / "journal.db").read_bytes()


@pytest.mark.parametrize("code", ["", "12345", "28123456789012345X", "2" * 20, "二" * 18])
async def test_what_is_no_payment_code_leaves_nothing_behind(tmp_path: Path, code: str) -> None:
    async with till(tmp_path) as shop:
        result = await shop.do(desk(shop), "qr_pay", amount="8.00", code=code)
        assert (result["ending"], result["code"]) == ("failed", "SAL-220")
        assert await shop.journal.transactions() == []


@pytest.mark.parametrize("scanned", [None, "CRD-140"])
async def test_no_scan_and_a_bad_scan_are_refused(tmp_path: Path, scanned: str | None) -> None:
    async with till(tmp_path) as shop:
        result = await shop.do(desk(shop, scanned), "qr_pay", amount="8.00")
        assert result["code"] == "SAL-220"


async def test_a_payer_who_types_a_password_is_waited_for(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        result = await shop.do(desk(shop), "qr_pay", amount="8.09", code=CODE)
        assert result["ending"] == "success"
        shown = [each for each in shop.told if each["screen"] == "qr"]
        assert {each["code"] for each in shown} == {""}
        assert "inquiring" not in {each["screen"] for each in shop.told}
        assert await shop.agrees()


async def test_a_shown_code_is_told_and_paid(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        result = await shop.do(desk(shop), "qr_show", amount="9.00")
        assert result["ending"] == "success"
        first = next(each for each in shop.told if each["screen"] == "qr")
        assert first["code"].startswith("https://pay.example/")
        assert first["seconds"] == 60
        (sale,) = await shop.journal.transactions()
        assert sale.begun.intent.card_masked == ""
        assert await shop.agrees()


async def test_a_payer_without_money_is_declined(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        result = await shop.do(desk(shop), "qr_show", amount="9.51")
        assert (result["ending"], result["response_code"]) == ("failed", "51")


async def given_up(shop: Till, qr: QrDesk, verb: str, **body: Any) -> Any:
    """Ask, and give up once the payer is waited for."""
    found: dict[str, Any] = {}

    async def ask() -> None:
        found.update(await shop.do(qr, verb, **body))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with anyio.fail_after(5):
            while not shop.bank.waiting:
                await anyio.lowlevel.checkpoint()
        assert (await qr.verbs()["qr_cancel"]({}, lambda _: None))["ok"]
    return found


async def test_giving_up_has_the_acquirers_word_that_nothing_was_paid(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        shop.bank.pays_after = None
        result = await given_up(shop, desk(shop), "qr_show", amount="9.00")
        assert (result["ending"], result["response_code"]) == ("failed", "17")
        assert "17 交易已关闭,未付款 / Closed, not paid" in result["lines"]
        assert shop.line.asked[-1] == "close"
        assert await shop.journal.owed(9) == []
        assert await shop.agrees()


async def test_who_pays_at_the_last_moment_has_paid(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        shop.bank.pays_after = None
        qr = desk(shop)

        async def close(key: Key) -> Outcome:
            shop.bank.pay((key.terminal, key.batch, key.stan))
            return await shop.line.close(key)

        qr.closing = close
        result = await given_up(shop, qr, "qr_show", amount="9.00")
        assert result["ending"] == "success"
        assert await shop.agrees()


@pytest.mark.parametrize("paid", [False, True])
async def test_a_close_without_an_answer_is_unknown_and_reversed(
    tmp_path: Path, *, paid: bool
) -> None:
    async with till(tmp_path) as shop:
        shop.bank.pays_after = None
        shop.line.lost = {"close"}
        qr = desk(shop)
        if paid:

            async def close(key: Key) -> Outcome:
                shop.bank.pay((key.terminal, key.batch, key.stan))
                return await shop.line.close(key)

            qr.closing = close
        result = await given_up(shop, qr, "qr_show", amount="9.00")
        assert result["ending"] == "unknown"
        assert await shop.deliver() == ["00"]
        (sale,) = await shop.journal.transactions()
        assert sale.state is State.REVERSED
        assert shop.bank.records("12345678", 1) == []


async def test_a_lost_first_answer_is_asked_for(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        shop.line.lost = {"authorise"}
        result = await shop.do(desk(shop), "qr_show", amount="9.00")
        assert result["ending"] == "success"
        assert await shop.agrees()


async def test_a_code_is_never_taken_without_a_line(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        shop.line.down = True
        result = await shop.do(desk(shop), "qr_pay", amount="8.00", code=CODE)
        assert (result["ending"], result["kind"]) == ("failed", "cancelled")
        assert await shop.journal.owed(9) == []


async def test_what_a_power_cut_leaves_waiting_is_reversed(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        shop.bank.pays_after = None
        with anyio.move_on_after(0.05):
            await shop.do(desk(shop), "qr_show", amount="9.00")
        (place,) = shop.bank.waiting
        shop.bank.pay(place)
        assert await shop.cashier.sales.recover() == 1
        assert await shop.deliver() == ["00"]
        assert shop.bank.records("12345678", 1) == []
        assert await shop.agrees()


async def test_voids_and_refunds_find_their_kind(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        keys = [
            (await shop.do(desk(shop), "qr_pay", amount="8.00", code=CODE))["key"]
            for _ in range(2)
        ]
        assert (await shop.do(shop.cashier, "void", key=keys[0]))["ending"] == "success"
        part = await shop.do(shop.cashier, "refund", key=keys[1], amount="3.00")
        assert part["ending"] == "success"
        too_much = await shop.do(shop.cashier, "refund", key=keys[1], amount="5.01")
        assert too_much["code"] == "SAL-306"
        kinds = [t.begun.intent.kind for t in await shop.journal.transactions()]
        assert kinds[2:] == [Kind.QR_VOID, Kind.QR_REFUND]
        assert await shop.agrees()


async def test_only_one_payer_is_waited_for(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        qr = desk(shop)
        assert not (await shop.do(qr, "qr_cancel"))["ok"]
        async with shop.cashier.sales.lock:
            result = await shop.do(qr, "qr_show", amount="9.00")
        assert result["code"] == "SAL-101"
        with pytest.raises(InputError):
            await shop.do(qr, "qr_show", amount="-1")


async def test_time_is_the_shorter_of_the_acquirers_and_our_own() -> None:
    clock = SetClock()
    intent = Intent(Kind.QR_SALE, Money(1), EntryMode.QR, "", b"", "01", NOW)
    begun = Begun(Key("12345678", 1, 1), 1, intent)

    async def close(_: Key) -> Outcome:
        raise AssertionError("nothing is closed here")

    for told, most, expected in ((30, 180.0, 30), (600, 180.0, 180), (0, 180.0, 180)):
        payer = Telephone(close, clock, poll_s=0.0, most_s=most)
        start = clock.seconds
        assert not await payer.wait(begun, Waiting(valid_s=told))
        clock.seconds = start + expected - 1
        assert not await payer.wait(begun, Waiting(valid_s=told))
        clock.seconds = start + expected
        assert await payer.wait(begun, Waiting(valid_s=told))
