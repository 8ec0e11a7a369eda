from __future__ import annotations

from pathlib import Path

import pytest

from posfw.app import graph
from posfw.app.advices import VERBS, Advices
from posfw.sale.family import Rules
from posfw.sale.rules import parse
from posfw.values.errors import InputError, MisuseError, RefusedError
from posfw.values.transaction import Kind, State
from tests.app.till import KEYED, Till, till


async def code_of(shop: Till, verb: str, **body: object) -> str:
    result = await shop.do(Advices(shop.cashier), verb, **body)
    return str(result.get("code") or result["ending"])


async def test_the_graph_names_exactly_these_verbs(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        assert graph.ADVICES == VERBS == tuple(Advices(shop.cashier).verbs())


async def test_a_tip_asks_nobody_is_owed_and_is_taken_back_with_its_sale(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        key = await shop.sale(10_000)
        shop.line.down = True
        assert await code_of(shop, "tip", key=key, amount="6.00") == "success"
        assert await code_of(shop, "tip", key=key, amount="4.01") == "SAL-314"
        assert await code_of(shop, "tip", key=key, amount="4.00") == "success"
        shop.line.down = False
        result = await shop.do(shop.cashier, "void", key=key)
        assert result["code"] == "SAL-305"  # the bank does not know of the tips yet
        assert await shop.deliver() == ["00", "00"]
        assert (await shop.do(shop.cashier, "void", key=key))["ending"] == "success"
        assert await code_of(shop, "tip", key=key, amount="0.01") == "SAL-302"
        assert await shop.agrees()
        totals = shop.bank.totals("12345678", 1)
        assert (totals["debit_minor"], totals["credit_minor"]) == (11_000, 11_000)


async def test_a_refund_may_give_the_tip_back_too_and_ends_further_ones(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        key = await shop.sale(10_000)
        await code_of(shop, "tip", key=key, amount="10.00")
        await shop.deliver()
        refund = await shop.do(shop.cashier, "refund", key=key, amount="110.01")
        assert refund["code"] == "SAL-306"
        assert (await shop.do(shop.cashier, "refund", key=key, amount="110.00"))["ok"]
        assert await code_of(shop, "tip", key=key, amount="0.01") in ("SAL-302", "SAL-314")
        assert await shop.agrees()


async def test_a_sale_with_its_tip_is_one_amount(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        key = await shop.sale(10_000, tip="10.00")
        found = (await shop.journal.transactions())[0].begun.intent
        assert (found.amount.minor, found.tip and found.tip.minor) == (11_000, 1_000)
        assert await code_of(shop, "tip", key=key, amount="0.01") == "SAL-314"
        more = await shop.do(shop.cashier, "sale", amount="100.00", tip="10.01", **KEYED)
        assert more["code"] == "SAL-314"


async def test_a_sale_by_telephone_is_adjusted_up_and_down(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        called = {"amount": "100.00", **KEYED}
        assert await code_of(shop, "offline_sale", **called) == "SAL-319"
        result = await shop.do(Advices(shop.cashier), "offline_sale", **called, auth_code="A1B2C3")
        assert (result["ending"], result["kind"]) == ("success", "approved_offline")
        key = result["key"]
        assert await code_of(shop, "adjust", key=key, amount="110.00") == "SAL-305"
        await shop.deliver()
        assert await code_of(shop, "adjust", key=key, amount="120.00") == "success"
        assert await code_of(shop, "adjust", key=key, amount="120.00") == "SAL-201"
        assert await code_of(shop, "adjust", key=key, amount="120.01") == "SAL-321"
        await shop.deliver()
        assert await code_of(shop, "adjust", key=key, amount="0") == "SAL-317"
        assert await code_of(shop, "adjust", key=key, amount="30.00") == "success"
        assert set(await shop.deliver()) == {"00"}
        kinds = [t.begun.intent.kind for t in await shop.journal.transactions()]
        assert kinds == [Kind.OFFLINE_SALE, Kind.ADJUST, Kind.ADJUST_DOWN]
        assert await shop.agrees()
        assert (await shop.do(shop.cashier, "void", key=key))["ending"] == "success"
        assert await shop.agrees()


async def test_without_the_acquirers_leave_nothing_is_sold_by_telephone(tmp_path: Path) -> None:
    async with till(tmp_path, Rules()) as shop:
        called = {"amount": "1.00", "auth_code": "A1B2C3", **KEYED}
        assert await code_of(shop, "offline_sale", **called) == "SAL-320"
        assert await shop.journal.transactions() == []


async def test_an_authorisation_is_completed_by_advice_without_a_line(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        held = await shop.do(shop.cashier, "preauth", amount="100.00", **KEYED)
        shop.line.down = True
        done = {"key": held["key"], "amount": "115.00"}
        assert await code_of(shop, "completion_advice", **done | {"amount": "115.01"}) == "SAL-313"
        assert await code_of(shop, "completion_advice", **done) == "success"
        assert await code_of(shop, "completion_advice", **done) == "SAL-311"
        shop.line.down = False
        assert await shop.deliver() == ["00"]
        assert await shop.agrees()
        completed = (await shop.journal.transactions())[1]
        void = await shop.do(shop.cashier, "completion_void", key=str(completed.key))
        assert void["ending"] == "success"
        assert await shop.agrees()


async def test_a_power_cut_before_the_commit_leaves_no_advice(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        key = await shop.sale(10_000)
        original = await shop.cashier.original_of({"key": key})
        tip = shop.cashier.against(Kind.TIP, original.begun.intent.amount, original, "01", {})
        begun = await shop.journal.begin(tip)
        assert await shop.cashier.sales.recover() == 1
        found = await shop.journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.CANCELLED
        assert await shop.journal.owed(9) == []


async def test_rules_by_kind_hold_here_too(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        row = {"kinds": ["tip"], "operators": ["01-98"], "count": 1}
        shop.cashier.sales.limited = parse([row], source="rules")
        key = await shop.sale(10_000)
        assert await code_of(shop, "tip", key=key, amount="1.00") == "success"
        assert await code_of(shop, "tip", key=key, amount="1.00") == "SAL-211"
        assert await code_of(shop, "tip", key=key, amount="1.00", operator="00") == "success"


async def test_bad_input_is_named(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        key = await shop.sale(10_000)
        with pytest.raises(InputError):
            await code_of(shop, "tip", key=key, amount="a lot")
        with pytest.raises(RefusedError):
            await code_of(shop, "tip", key="12345678-000001-000099", amount="1.00")
        with pytest.raises(MisuseError):
            await code_of(shop, "adjust", key="yesterday", amount="1.00")
        assert await code_of(shop, "tip", key=key, amount="0") == "SAL-201"
        assert await code_of(shop, "adjust", key=key, amount="1.00") == "SAL-310"
