"""操作员: 99 system, 00 supervisor, 01–98 cashiers, folded from the OPERATOR topic.

Nothing about operators is kept but records; `fold` makes the state, `may` reads the table of
rights, and each use, right or wrong, is a record before anybody sees its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from posfw.staff.passwords import DEFAULTS, Cost, Secret
from posfw.values.errors import InputError, RefusedError
from posfw.values.events import Record

__all__ = [
    "Action",
    "Operator",
    "Role",
    "Staff",
    "check_may_add",
    "check_may_delete",
    "check_number",
    "fold",
    "may",
    "role_of",
    "wait_s",
]


class Role(StrEnum):
    """What a number stands for (UnionPay POS application, operator management)."""

    SYSTEM = "system"  # 99 系统管理员
    SUPERVISOR = "supervisor"  # 00 主管
    CASHIER = "cashier"  # 01–98 收银员


class Action(StrEnum):
    """What needs a right."""

    SELL = "sell"
    VOID = "void"
    REFUND = "refund"
    SETTLE = "settle"
    CLEAR = "clear"  # 手工清账
    LIMITS = "limits"
    PARAMETERS = "parameters"
    CASHIERS = "cashiers"  # add, delete, set a cashier's password
    SUPERVISOR_PASSWORD = "supervisor_password"  # noqa: S105 - the name of a right
    ACTIVATE = "activate"
    UNLOCK = "unlock"
    KEYS = "keys"  # wipe them


_EVERYBODY = frozenset(Role)
_SUPERVISOR = frozenset({Role.SUPERVISOR})
_SYSTEM = frozenset({Role.SYSTEM})
# Who may do what himself. A cashier's void or refund takes a supervisor's approval: the approving
# operator is checked against this table, the asking one against SELL.
RIGHTS: Mapping[Action, frozenset[Role]] = {
    Action.SELL: frozenset({Role.CASHIER, Role.SUPERVISOR}),
    Action.VOID: _SUPERVISOR,
    Action.REFUND: _SUPERVISOR,
    Action.SETTLE: frozenset({Role.CASHIER, Role.SUPERVISOR}),
    Action.CLEAR: _SUPERVISOR,
    Action.LIMITS: frozenset({Role.SUPERVISOR, Role.SYSTEM}),
    Action.PARAMETERS: _SYSTEM,
    Action.CASHIERS: _SUPERVISOR,
    Action.SUPERVISOR_PASSWORD: _SYSTEM,
    Action.ACTIVATE: _SYSTEM,
    Action.UNLOCK: _EVERYBODY,
    Action.KEYS: frozenset({Role.SUPERVISOR, Role.SYSTEM}),
}

FREE_FAILURES = 2  # a slip of the finger costs nothing
FIRST_WAIT_S = 30.0
LONGEST_WAIT_S = 900.0
# After so many wrong passwords a number opens only by its superior's new password; 99 has none and
# keeps waiting LONGEST_WAIT_S between tries.
LOCKED_AFTER = 10


@dataclass(frozen=True, slots=True)
class Operator:
    """One number as it stands.

    Attributes:
        number: two digits.
        secret: the password, None while the manual's default still stands.
        must_change: nothing but a change of the password is allowed.
    """

    number: str
    secret: Secret | None = field(default=None, repr=False)
    must_change: bool = True


@dataclass(frozen=True, slots=True)
class Staff:
    """Everybody, and who works now.

    Attributes:
        operators: by number.
        failures: wrong passwords in a row by number, unknown numbers included.
        signed_in: the number at work, "" for nobody.
        locked: the keypad is locked (锁定): only an unlock is taken.
    """

    operators: Mapping[str, Operator]
    failures: Mapping[str, int] = field(default_factory=dict)
    signed_in: str = ""
    locked: bool = False

    def locked_out(self, number: str) -> bool:
        """Whether only a superior's new password opens this number again."""
        return number != "99" and self.failures.get(number, 0) >= LOCKED_AFTER

    @property
    def defaults_left(self) -> tuple[str, ...]:
        """Numbers whose password still has to be changed: activation waits for them."""
        return tuple(o.number for o in self.operators.values() if o.must_change)


def check_number(number: str) -> str:
    """Return a two-digit operator number.

    Raises:
        InputError: another form.
    """
    if len(number) != 2 or not (number.isascii() and number.isdigit()):
        raise InputError("An operator has two digits: 00 to 99.", code="OPR-211")
    return number


def role_of(number: str) -> Role:
    """Return what a number stands for."""
    return {"99": Role.SYSTEM, "00": Role.SUPERVISOR}.get(number, Role.CASHIER)


def may(number: str, action: Action) -> bool:
    """Whether this number has the right itself."""
    return role_of(number) in RIGHTS[action]


def wait_s(failures: int) -> float:
    """Return the seconds between the last wrong password and the next try: 0, 0, 0, 30, 60…900."""
    if failures <= FREE_FAILURES:
        return 0.0
    doublings = min(failures - FREE_FAILURES - 1, 10)  # 2**10 is past the cap
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * float(2**doublings))


def fold(records: Iterable[Record]) -> Staff:
    """Return the staff after these records of the OPERATOR topic; unknown names change nothing."""
    staff = Staff({number: Operator(number) for number in DEFAULTS})
    for record in records:
        change = _CHANGES.get(record.name)
        if change is not None:
            staff = change(staff, record.operator, record.body)
    return staff


def check_may_add(staff: Staff, number: str) -> None:
    """Check that a cashier's number is free.

    Raises:
        RefusedError: taken, or not a cashier's.
    """
    if role_of(check_number(number)) is not Role.CASHIER:
        raise RefusedError(f"{number} is not a cashier's number (01 to 98).", code="OPR-110")
    if number in staff.operators:
        raise RefusedError(f"Cashier {number} exists already.", code="OPR-111")


def check_may_delete(staff: Staff, number: str) -> None:
    """Check that a cashier can go.

    Raises:
        RefusedError: unknown, not a cashier, or signed in.
    """
    if number not in staff.operators or role_of(number) is not Role.CASHIER:
        raise RefusedError(f"There is no cashier {number}.", code="OPR-112")
    if staff.signed_in == number:
        raise RefusedError(
            f"Cashier {number} is signed in.", code="OPR-113", next_step="Sign the cashier out."
        )


def _password(staff: Staff, _: str, body: Mapping[str, Any]) -> Staff:
    number = body["number"]
    cost = Cost(body["n"], body["r"], body["p"])
    operator = Operator(
        number, Secret(body["salt"], body["digest"], cost), must_change=body["must_change"]
    )
    return replace(
        staff,
        operators={**staff.operators, number: operator},
        failures={**staff.failures, number: 0},
    )


def _deleted(staff: Staff, _: str, body: Mapping[str, Any]) -> Staff:
    left = {n: o for n, o in staff.operators.items() if n != body["number"]}
    return replace(staff, operators=left)


def _failed(staff: Staff, _: str, body: Mapping[str, Any]) -> Staff:
    number = body["number"]
    return replace(staff, failures={**staff.failures, number: staff.failures.get(number, 0) + 1})


def _right(staff: Staff, operator: str, _: Mapping[str, Any]) -> Staff:
    return replace(staff, failures={**staff.failures, operator: 0})


def _signed_in(staff: Staff, operator: str, body: Mapping[str, Any]) -> Staff:
    return replace(_right(staff, operator, body), signed_in=operator)


def _signed_out(staff: Staff, _: str, __: Mapping[str, Any]) -> Staff:
    return replace(staff, signed_in="", locked=False)


def _locked(staff: Staff, _: str, __: Mapping[str, Any]) -> Staff:
    return replace(staff, locked=True)


def _unlocked(staff: Staff, operator: str, body: Mapping[str, Any]) -> Staff:
    return replace(_right(staff, operator, body), locked=False)


_CHANGES: Mapping[str, Callable[[Staff, str, Mapping[str, Any]], Staff]] = {
    "password": _password,
    "deleted": _deleted,
    "failed": _failed,
    "approved": _right,
    "signed_in": _signed_in,
    "signed_out": _signed_out,
    "locked": _locked,
    "unlocked": _unlocked,
}
