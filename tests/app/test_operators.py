from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from posfw.app.operators import Operators
from posfw.staff.operators import Action
from posfw.staff.passwords import Cost
from posfw.values.errors import CodecError, RefusedError
from posfw.values.events import Record, Topic

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass
class FakeRecords:
    rows: list[Record] = field(default_factory=list)

    async def append(self, *records: Record) -> None:
        await anyio.lowlevel.checkpoint()
        self.rows.extend(records)

    async def read(self, topic: Topic, after: int = 0) -> Sequence[Record]:
        await anyio.lowlevel.checkpoint()
        return [r for r in self.rows if r.topic is topic]


@dataclass
class SetClock:
    at_s: float = 1000.0

    def monotonic(self) -> float:
        return self.at_s

    def now(self) -> datetime:
        return NOW


@dataclass
class CountingRandom:
    calls: int = 0

    def token(self, size: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(size, "big")

    def uniform(self, low: float, high: float) -> float:
        raise AssertionError("no chance is needed here")


def desk(records: FakeRecords | None = None, clock: SetClock | None = None) -> Operators:
    return Operators(
        records or FakeRecords(),
        clock or SetClock(),
        CountingRandom(),
        pepper=b"p" * 32,
        cost=Cost(16, 1, 1),
    )


async def do(operators: Operators, verb: str, **body: Any) -> Any:
    return await operators.verbs()[verb](body, lambda _: None)


async def changed(records: FakeRecords | None = None, clock: SetClock | None = None) -> Operators:
    operators = desk(records, clock)
    for number, old, new in (("99", "12345678", "48213907"), ("00", "123456", "482139")):
        await do(operators, "operator_password", operator=number, password=old, new=new)
    await do(operators, "operator_password", operator="01", password="0000", new="4821")
    return operators


async def test_a_default_password_opens_its_own_change_and_nothing_else() -> None:
    operators = desk()
    with pytest.raises(RefusedError) as refused:
        await do(operators, "operator_in", operator="01", password="0000")
    assert refused.value.stable_code == "OPR-121"
    await do(operators, "operator_password", operator="01", password="0000", new="4821")
    assert (await do(operators, "operator_in", operator="01", password="4821"))[
        "role"
    ] == "cashier"


async def test_the_supervisor_approves_and_the_use_is_recorded() -> None:
    records = FakeRecords()
    operators = await changed(records)
    given = {"approval": {"operator": "00", "password": "482139"}}
    approval = await operators.approve(given, Action.VOID, "T0000001-000001-000001")
    assert (approval.operator, approval.action) == ("00", Action.VOID)
    last = records.rows[-1]
    assert (last.name, last.operator) == ("approved", "00")
    assert last.body == {"action": "void", "subject": "T0000001-000001-000001"}


@pytest.mark.parametrize(
    ("approval", "code"),
    [
        (None, "OPR-120"),
        ({"operator": "01", "password": "4821"}, "OPR-122"),
        ({"operator": "00", "password": "000000"}, "OPR-123"),
        ({"operator": "77", "password": "4821"}, "OPR-123"),
    ],
)
async def test_no_approval_without_right_and_password(approval: Any, code: str) -> None:
    records = FakeRecords()
    operators = await changed(records)
    with pytest.raises(RefusedError) as refused:
        await operators.approve({"approval": approval}, Action.VOID, "x")
    assert refused.value.stable_code == code
    assert "approved" not in [r.name for r in records.rows]


async def test_an_approval_of_another_form_is_no_approval() -> None:
    with pytest.raises(CodecError):
        await (await changed()).approve({"approval": {"operator": "00"}}, Action.VOID, "x")


async def test_the_third_wrong_password_starts_the_wait_even_for_the_right_one() -> None:
    clock = SetClock()
    operators = await changed(clock=clock)
    for _ in range(3):
        with pytest.raises(RefusedError, match="wrong"):
            await do(operators, "operator_in", operator="01", password="9999")
    with pytest.raises(RefusedError) as refused:
        await do(operators, "operator_in", operator="01", password="4821")
    assert refused.value.stable_code == "OPR-125"
    clock.at_s += 30
    await do(operators, "operator_in", operator="01", password="4821")


async def test_a_restart_does_not_shorten_the_wait() -> None:
    records, clock = FakeRecords(), SetClock()
    operators = await changed(records, clock)
    for _ in range(3):
        with pytest.raises(RefusedError):
            await do(operators, "operator_in", operator="01", password="9999")
    clock.at_s = 5.0  # the monotonic clock of another boot
    again = desk(records, clock)
    clock.at_s = 34.0
    with pytest.raises(RefusedError) as refused:
        await do(again, "operator_in", operator="01", password="4821")
    assert refused.value.stable_code == "OPR-125"
    clock.at_s = 35.0
    await do(again, "operator_in", operator="01", password="4821")


async def test_guesses_at_once_are_counted_one_by_one() -> None:
    records = FakeRecords()
    operators = await changed(records)
    codes: list[str] = []

    async def guess(number: int) -> None:
        try:
            await do(operators, "operator_in", operator="01", password=f"{9000 + number}")
        except RefusedError as error:
            codes.append(error.stable_code)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(guess, number)
    assert codes.count("OPR-123") == 3
    assert codes.count("OPR-125") == 5


async def test_locked_out_cashiers_wait_for_a_new_password_from_the_supervisor() -> None:
    clock = SetClock()
    operators = await changed(clock=clock)
    for _ in range(10):
        with pytest.raises(RefusedError):
            await do(operators, "operator_in", operator="01", password="9999")
        clock.at_s += 1000
    with pytest.raises(RefusedError) as refused:
        await do(operators, "operator_in", operator="01", password="4821")
    assert refused.value.stable_code == "OPR-124"
    approval = {"operator": "00", "password": "482139"}
    await do(operators, "operator_add", number="01", new="5937", reset=True, approval=approval)
    await do(operators, "operator_password", operator="01", password="5937", new="4829")
    await do(operators, "operator_in", operator="01", password="4829")


async def test_cashiers_are_added_and_deleted_by_the_supervisor_only() -> None:
    operators = await changed()
    by_cashier = {"operator": "01", "password": "4821"}
    by_supervisor = {"operator": "00", "password": "482139"}
    with pytest.raises(RefusedError):
        await do(operators, "operator_add", number="02", new="5937", approval=by_cashier)
    await do(operators, "operator_add", number="02", new="5937", approval=by_supervisor)
    listed = (await do(operators, "operators"))["operators"]
    assert [row["number"] for row in listed] == ["00", "01", "02", "99"]
    await do(operators, "operator_delete", number="02", approval=by_supervisor)
    with pytest.raises(RefusedError):
        await do(operators, "operator_delete", number="02", approval=by_supervisor)


async def test_the_supervisors_password_is_set_by_99_and_never_99s_own() -> None:
    operators = await changed()
    by_system = {"operator": "99", "password": "48213907"}
    await do(operators, "operator_add", number="00", new="593714", reset=True, approval=by_system)
    assert (await operators.staff()).defaults_left == ("00",)
    with pytest.raises(RefusedError):
        await do(
            operators, "operator_add", number="99", new="59371482", reset=True, approval=by_system
        )


async def test_lock_and_unlock() -> None:
    operators = await changed()
    with pytest.raises(RefusedError):
        await do(operators, "lock")
    await do(operators, "operator_in", operator="01", password="4821")
    assert (await do(operators, "lock"))["locked"]
    with pytest.raises(RefusedError) as refused:
        await do(operators, "unlock", operator="02", password="1111")
    assert refused.value.stable_code == "OPR-129"
    assert not (await do(operators, "unlock", operator="00", password="482139"))["locked"]
    assert (await do(operators, "operator_out"))["operator"] == "01"
    with pytest.raises(RefusedError):
        await do(operators, "operator_out")


async def test_only_who_is_signed_in_sells_and_nobody_while_it_is_locked() -> None:
    operators = await changed()

    async def code(number: str) -> str:
        refusal = await operators.refusal(number)
        return refusal.code if refusal else ""

    assert await code("01") == "OPR-131"
    await do(operators, "operator_in", operator="01", password="4821")
    assert (await code("01"), await code("02")) == ("", "OPR-131")
    await do(operators, "lock")
    assert await code("01") == "OPR-130"
    await do(operators, "unlock", operator="01", password="4821")
    assert await code("01") == ""
    await do(operators, "operator_in", operator="99", password="48213907")
    assert await code("99") == "OPR-132"


async def test_no_password_is_in_any_record() -> None:
    records = FakeRecords()
    operators = await changed(records)
    with pytest.raises(RefusedError):
        await do(operators, "operator_in", operator="01", password="7391")
    text = repr([(r.name, r.operator, r.body) for r in records.rows]) + repr(operators)
    for password in ("48213907", "482139", "4821'", "7391", "pppp"):
        assert password not in text
