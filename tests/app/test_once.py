"""A request that is asked again: one charge, the first one's ending."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from posfw.app.once import Once
from posfw.app.verbs import Body, Progress, dispatcher
from posfw.sale.limits import Refusal
from posfw.values.errors import CodecError, InputError, LinkError, RefusedError
from posfw.values.money import Money
from posfw.values.texts import Texts
from posfw.values.transaction import Kind, State
from tests.app.till import KEYED, Till, till

pytestmark = pytest.mark.may_block

FIRST, SECOND = "till-0001-000017", "till-0001-000018"
SALE: dict[str, Any] = {"amount": "12.00", "intent": FIRST, **KEYED}


def once(shop: Till) -> Once:
    return Once(dispatcher(shop.cashier.verbs()), shop.journal, Texts("en"))


async def ask(part: Once, verb: str, /, **body: Any) -> Mapping[str, Any]:
    return await part(verb, body, lambda _: None)


async def test_a_sale_asked_twice_is_one_sale(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        part = once(shop)
        first = await ask(part, "sale", amount="12.00", intent=FIRST, **KEYED)
        again = await ask(part, "sale", amount="12.00", intent=FIRST, **KEYED)
        assert first["ending"] == again["ending"] == "success"
        assert (again["key"], again["repeated"]) == (first["key"], True)
        assert "repeated" not in first
        for name in ("auth_code", "reference", "response_code", "kind"):
            assert again[name] == first[name]
        assert len(shop.bank.postings) == 1
        other = await ask(part, "sale", amount="12.00", intent=SECOND, **KEYED)
        assert other["key"] != first["key"]
        without = await ask(part, "sale", amount="12.00", **KEYED)
        assert without["key"] not in (first["key"], other["key"])
        assert len(shop.bank.postings) == 3


async def test_a_restart_forgets_no_request(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        first = await ask(once(shop), "sale", amount="12.00", intent=FIRST, **KEYED)
        refund = {"key": first["key"], "amount": "2.00", "intent": SECOND}
        back = await ask(once(shop), "refund", **refund)
        assert back["ending"] == "success"
        bank = shop.line.bank
    async with till(tmp_path) as shop:
        shop.line.bank = bank
        again = await ask(once(shop), "sale", amount="12.00", intent=FIRST, **KEYED)
        assert (again["key"], again["repeated"]) == (first["key"], True)
        again = await ask(once(shop), "refund", **refund)
        assert (again["key"], again["repeated"]) == (back["key"], True)
        assert await shop.agrees()


@pytest.mark.parametrize("verb", ["void", "preauth_void", "preauth_add", "completion"])
async def test_every_kind_is_carried_out_once(tmp_path: Path, verb: str) -> None:
    async with till(tmp_path) as shop:
        part = once(shop)
        begins = "sale" if verb == "void" else "preauth"
        held = await ask(part, begins, amount="50.00", intent=FIRST, **KEYED)
        assert (await ask(part, begins, amount="50.00", intent=FIRST, **KEYED))["repeated"]
        more = {} if verb.endswith("void") else {"amount": "10.00"}
        done = await ask(part, verb, key=held["key"], intent=SECOND, **more)
        assert done["ending"] == "success"
        again = await ask(part, verb, key=held["key"], intent=SECOND, **more)
        assert (again["key"], again["ending"]) == (done["key"], "success")
        assert (await shop.journal.standing()).next_stan == 3


async def test_a_power_cut_between_the_commits_is_told_as_it_ended(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        begun: list[str] = []

        async def cut(verb: str, body: Body, progress: Progress) -> Body:
            card = await shop.cashier.card(body, amount, progress)
            assert not isinstance(card, Refusal)
            intent = shop.cashier.intent(Kind.SALE, amount, card, "01", body)
            begun.append(str((await shop.journal.begin(intent)).key))
            raise LinkError("the power is cut")

        amount = Money(1200)
        with pytest.raises(LinkError):
            await ask(Once(cut, shop.journal, Texts("en")), "sale", **SALE)
        asked = await ask(once(shop), "sale", **SALE)  # before recovery: still in doubt
        assert (asked["ending"], asked["key"]) == ("unknown", begun[0])
    async with till(tmp_path) as shop:
        assert await shop.cashier.sales.recover() == 1
        asked = await ask(once(shop), "sale", **SALE)
        assert (asked["ending"], asked["key"]) == ("unknown", begun[0])
        assert asked["state"] == State.REVERSING.value
        assert shop.bank.postings == {}
        await shop.deliver()
        asked = await ask(once(shop), "sale", **SALE)
        assert (asked["ending"], asked["state"]) == ("unknown", State.REVERSED.value)


async def test_what_was_never_begun_is_carried_out(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        part = once(shop)
        with pytest.raises(InputError):
            await ask(part, "sale", amount="twelve", intent=FIRST, **KEYED)
        done = await ask(part, "sale", amount="12.00", intent=FIRST, **KEYED)
        assert done["ending"] == "success"


async def test_two_at_once_are_one(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        inner, calls = once(shop).inner, 0
        began, go = anyio.Event(), anyio.Event()

        async def slow(verb: str, body: Body, progress: Progress) -> Body:
            nonlocal calls
            calls += 1
            began.set()
            await go.wait()
            return await inner(verb, body, progress)

        part = Once(slow, shop.journal, Texts("en"))
        found: list[Mapping[str, Any]] = []

        async def one() -> None:
            found.append(await ask(part, "sale", **SALE))

        async with anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)
            await began.wait()
            assert calls == 1
            with pytest.raises(RefusedError):
                await ask(part, "sale", **{**SALE, "amount": "13.00"})
            go.set()
        assert calls == 1
        assert found[0]["key"] == found[1]["key"]
        assert [bool(each.get("repeated")) for each in found] == [False, True]
        assert len(shop.bank.postings) == 1


async def test_who_waits_hears_the_first_ones_refusal(tmp_path: Path) -> None:
    async with till(tmp_path) as shop:
        go = anyio.Event()

        async def refuses(verb: str, body: Body, progress: Progress) -> Body:
            await go.wait()
            raise RefusedError("no", code="SET-101")

        part = Once(refuses, shop.journal, Texts("en"))
        codes: list[str] = []

        async def one() -> None:
            try:
                await ask(part, "sale", **SALE)
            except RefusedError as error:
                codes.append(error.stable_code)

        async with anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            go.set()
        assert codes == ["SET-101", "SET-101"]


@pytest.mark.parametrize(
    ("verb", "change"), [("sale", {"amount": "12.01"}), ("sale", {"tip": "1.00"}), ("preauth", {})]
)
async def test_a_number_stands_for_one_request(
    tmp_path: Path, verb: str, change: dict[str, str]
) -> None:
    async with till(tmp_path) as shop:
        await ask(once(shop), "sale", **SALE)
        with pytest.raises(RefusedError) as refused:
            await ask(once(shop), verb, **{**SALE, **change})
        assert refused.value.stable_code == "SAL-320"
        assert len(shop.bank.postings) == 1


@pytest.mark.parametrize(
    "name", ["", "short", "a" * 65, "with space 1", "hash#12345", 12345678, None]
)
async def test_a_number_has_a_form(tmp_path: Path, name: object) -> None:
    async with till(tmp_path) as shop:
        with pytest.raises(CodecError):
            await ask(once(shop), "sale", **{**SALE, "intent": name})
        assert shop.bank.postings == {}
