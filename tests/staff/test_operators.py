from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from posfw.staff.operators import (
    LOCKED_AFTER,
    RIGHTS,
    Action,
    Role,
    check_may_add,
    check_may_delete,
    check_number,
    fold,
    may,
    role_of,
    wait_s,
)
from posfw.staff.passwords import Cost, Secret
from posfw.values.errors import InputError, RefusedError
from posfw.values.events import Plain, Record, Topic

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = Secret(b"s" * 16, b"d" * 32, Cost(16, 1, 1))


def record(name: str, operator: str = "", body: Mapping[str, Plain] | None = None) -> Record:
    return Record(Topic.OPERATOR, name, NOW, operator, body or {})


def password(number: str, *, must_change: bool = False) -> Record:
    return record(
        "password", number, {"number": number, "must_change": must_change, **SECRET.body()}
    )


def test_a_new_terminal_has_three_operators_who_must_change() -> None:
    staff = fold([])
    assert staff.defaults_left == ("99", "00", "01")
    assert {role_of(n) for n in staff.operators} == set(Role)


def test_a_changed_password_is_kept_as_written() -> None:
    staff = fold([password("00")])
    assert staff.operators["00"].secret == SECRET
    assert staff.defaults_left == ("99", "01")
    assert "d" * 5 not in repr(staff)


def test_a_handed_out_password_must_be_changed() -> None:
    assert "07" in fold([password("07", must_change=True)]).defaults_left


def test_rights_are_those_of_the_union_pay_roles() -> None:
    assert may("00", Action.VOID)
    assert not may("01", Action.REFUND)
    assert not may("99", Action.SELL)
    assert may("99", Action.SUPERVISOR_PASSWORD)
    assert not may("00", Action.SUPERVISOR_PASSWORD)
    assert set(RIGHTS) == set(Action)


def test_waits_double_up_to_a_quarter_of_an_hour() -> None:
    assert [wait_s(n) for n in range(10)] == [0, 0, 0, 30, 60, 120, 240, 480, 900, 900]
    assert wait_s(10_000) == 900


def test_failures_count_for_unknown_numbers_too_and_a_success_ends_them() -> None:
    failed = [record("failed", "", {"number": "55"})] * 3
    assert fold(failed).failures["55"] == 3
    failed = [record("failed", "", {"number": "01"})] * 3
    assert fold([*failed, record("signed_in", "01")]).failures["01"] == 0


def test_ten_failures_lock_everybody_but_the_system_operator() -> None:
    for number, locked in (("01", True), ("00", True), ("99", False)):
        failed = [record("failed", "", {"number": number})] * LOCKED_AFTER
        assert fold(failed).locked_out(number) is locked
        assert not fold(failed[1:]).locked_out(number)
        assert not fold([*failed, password(number)]).locked_out(number)


def test_sign_in_lock_unlock_and_out() -> None:
    records = [record("signed_in", "01"), record("locked", "01")]
    assert (fold(records).signed_in, fold(records).locked) == ("01", True)
    assert not fold([*records, record("unlocked", "00")]).locked
    assert fold([*records, record("signed_out", "01")]).signed_in == ""


def test_a_record_of_a_later_version_changes_nothing() -> None:
    assert fold([record("badge_issued", "00")]) == fold([])


def test_only_free_cashier_numbers_are_added() -> None:
    staff = fold([])
    check_may_add(staff, "02")
    for number in ("01", "00", "99"):
        with pytest.raises(RefusedError):
            check_may_add(staff, number)


def test_a_signed_in_cashier_cannot_be_deleted() -> None:
    with pytest.raises(RefusedError, match="signed in"):
        check_may_delete(fold([record("signed_in", "01")]), "01")
    check_may_delete(fold([]), "01")
    assert "01" not in fold([record("deleted", "00", {"number": "01"})]).operators
    for number in ("00", "99", "44"):
        with pytest.raises(RefusedError):
            check_may_delete(fold([]), number)


@pytest.mark.parametrize("number", ["", "1", "001", "0a", "１２"])
def test_a_number_has_two_digits(number: str) -> None:
    with pytest.raises(InputError):
        check_number(number)
