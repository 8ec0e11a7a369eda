"""Operators at the keypad: sign in and out, passwords, lock, a supervisor's approval.

One lock around every check: two guesses at once would share one back-off. The wait counts on the
monotonic clock from the last wrong password, or from the start of the program, so neither a
changed clock nor a pulled plug shortens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
import anyio.to_thread

from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.ports import Clock, Random, Records
from posfw.sale.limits import Refusal
from posfw.staff import passwords
from posfw.staff.operators import (
    LOCKED_AFTER,
    Action,
    Operator,
    Role,
    Staff,
    check_may_add,
    check_may_delete,
    check_number,
    fold,
    may,
    role_of,
    wait_s,
)
from posfw.values.errors import RefusedError
from posfw.values.events import Plain, Record, Topic

__all__ = ["Approval", "Operators"]


@dataclass(frozen=True, slots=True)
class Approval:
    """A checked right, already in the journal.

    Attributes:
        action: what was approved.
        operator: who approved it.
        subject: what it is about, such as a transaction's key.
    """

    action: Action
    operator: str
    subject: str
    at: datetime


@dataclass(slots=True, eq=False, repr=False)
class Operators:
    """Verbs over the OPERATOR topic.

    Attributes:
        records: the journal's stream.
        clock: local time for records, monotonic for waits.
        random: salts.
        pepper: 32 bytes that never lie beside the journal, derived from the secure element.
        cost: scrypt's parameters.
    """

    records: Records
    clock: Clock
    random: Random
    pepper: bytes = field(repr=False)
    cost: passwords.Cost = passwords.COST
    _gate: anyio.Lock = field(default_factory=anyio.Lock)
    _failed_at: dict[str, float] = field(default_factory=dict)
    _started_at: float = -1.0
    _staff: Staff | None = None
    _writes: int = 0

    def __post_init__(self) -> None:
        self._started_at = self.clock.monotonic()

    def verbs(self) -> Mapping[str, Verb]:
        """Return the operators' verbs."""
        return {
            "operators": self._list,
            "operator_in": self._in,
            "operator_out": self._out,
            "operator_password": self._password,
            "operator_add": self._add,
            "operator_delete": self._delete,
            "lock": self._lock,
            "unlock": self._unlock,
        }

    async def staff(self) -> Staff:
        """Return everybody as the journal has them now.

        Every sale asks, and nobody else writes this topic: it is read again after a write of ours.
        """
        while True:
            if self._staff is not None:
                return self._staff
            writes = self._writes
            found = fold(await self.records.read(Topic.OPERATOR))
            if writes == self._writes:
                self._staff = found

    async def approve(self, body: Body, action: Action, subject: str) -> Approval:
        """Check the `approval` of a request ({operator, password}) and record its use.

        Raises:
            RefusedError: wrong password, no such right, still waiting, or default password.
        """
        given = body.get("approval")
        if not isinstance(given, Mapping):
            raise RefusedError(
                "A supervisor must approve this.",
                code="OPR-120",
                next_step="Call the supervisor: the command asks for number and password.",
            )
        number = check_number(text_of(given, "operator"))
        async with self._gate:
            await self._check(number, text_of(given, "password"), action)
            now = self.clock.now()
            await self._note("approved", number, {"action": action.value, "subject": subject})
        return Approval(action, number, subject, now)

    async def refusal(self, number: str) -> Refusal | None:
        """Return why this operator may not sell now: keypad locked, not signed in, no right."""
        staff = await self.staff()
        if staff.locked:
            return Refusal("OPR-130", "The terminal is locked.", "Unlock: posfw operator unlock")
        if staff.signed_in != number:
            return Refusal(
                "OPR-131", "This operator is not signed in.", "Sign in: posfw operator in"
            )
        if not may(number, Action.SELL):
            return Refusal("OPR-132", "This operator may not sell.", "Sign a cashier in.")
        return None

    async def _check(self, number: str, password: str, action: Action) -> Operator:
        """Return the operator if the password is right and the right is there; record a failure.

        The caller holds the gate and records the success.
        """
        operator = await self._known(number, password, action.value)
        if operator.must_change:
            raise RefusedError(
                f"Operator {number} still has a default or handed-out password.",
                code="OPR-121",
                next_step=f"Change it first: posfw operator password {number}",
            )
        if not may(number, action):
            await self._note("refused", number, {"action": action.value})
            raise RefusedError(f"Operator {number} may not do this.", code="OPR-122")
        return operator

    async def _known(self, number: str, password: str, purpose: str) -> Operator:
        staff = await self.staff()
        self._check_wait(staff, number)
        operator = staff.operators.get(number)
        if operator is None or not await self._matches(operator, password):
            await self._note("failed", "", {"number": number, "purpose": purpose})
            self._failed_at[number] = self.clock.monotonic()
            left = wait_s(staff.failures.get(number, 0) + 1)
            raise RefusedError(
                "Operator number or password is wrong.",
                code="OPR-123",
                next_step=f"Try again in {left:.0f} s." if left else "Try again.",
            )
        return operator

    def _check_wait(self, staff: Staff, number: str) -> None:
        failures = staff.failures.get(number, 0)
        if staff.locked_out(number):
            raise RefusedError(
                f"Operator {number} is locked out after {LOCKED_AFTER} wrong passwords.",
                code="OPR-124",
                next_step="99 sets the supervisor's password, 00 a cashier's.",
            )
        since = self.clock.monotonic() - self._failed_at.get(number, self._started_at)
        left = wait_s(failures) - since
        if left > 0:
            raise RefusedError(
                f"Too many wrong passwords for {number}.",
                code="OPR-125",
                next_step=f"Try again in {left:.0f} s.",
            )

    async def _matches(self, operator: Operator, password: str) -> bool:
        secret = operator.secret
        if secret is None:
            return passwords.DEFAULTS.get(operator.number) == password
        return await anyio.to_thread.run_sync(
            lambda: passwords.matches(password, secret, pepper=self.pepper)
        )

    async def _store(self, number: str, new: str, by: str, *, must_change: bool) -> None:
        salt = self.random.token(16)
        secret = await anyio.to_thread.run_sync(
            lambda: passwords.digest(new, salt=salt, pepper=self.pepper, cost=self.cost)
        )
        await self._note(
            "password", by, {"number": number, "must_change": must_change, **secret.body()}
        )

    async def _note(self, name: str, operator: str, body: Mapping[str, Plain]) -> None:
        record = Record(Topic.OPERATOR, name, self.clock.now(), operator, body)
        try:
            await self.records.append(record)
        finally:  # cancelled, it may have been written all the same
            self._staff, self._writes = None, self._writes + 1

    async def _list(self, _: Body, __: Progress) -> Body:
        staff = await self.staff()
        rows: list[dict[str, Any]] = [
            {
                "number": operator.number,
                "role": role_of(operator.number).value,
                "must_change": operator.must_change,
                "locked_out": staff.locked_out(operator.number),
                "signed_in": operator.number == staff.signed_in,
            }
            for operator in sorted(staff.operators.values(), key=lambda o: o.number)
        ]
        return {"ok": True, "operators": rows, "locked": staff.locked}

    async def _in(self, body: Body, _: Progress) -> Body:
        number = check_number(text_of(body, "operator"))
        async with self._gate:
            await self._check(number, text_of(body, "password"), Action.UNLOCK)
            await self._note("signed_in", number, {})
        return {"ok": True, "operator": number, "role": role_of(number).value}

    async def _out(self, _: Body, __: Progress) -> Body:
        async with self._gate:
            number = (await self.staff()).signed_in
            if not number:
                raise RefusedError("Nobody is signed in.", code="OPR-126")
            await self._note("signed_out", number, {})
        return {"ok": True, "operator": number}

    async def _password(self, body: Body, _: Progress) -> Body:
        """Change one's own password: the only thing that a default password opens."""
        number, new = check_number(text_of(body, "operator")), text_of(body, "new")
        async with self._gate:
            await self._known(number, text_of(body, "password"), "password")
            passwords.check_new(number, new)
            if new == text_of(body, "password"):
                raise RefusedError("The new password is the old one.", code="OPR-127")
            await self._store(number, new, number, must_change=False)
        return {"ok": True, "operator": number}

    async def _add(self, body: Body, _: Progress) -> Body:
        """Make a cashier, or hand out a new password: 00 for cashiers, 99 for the supervisor."""
        number, new = check_number(text_of(body, "number")), text_of(body, "new")
        passwords.check_new(number, new)
        reset = bool(body.get("reset"))
        action = Action.CASHIERS if role_of(number) is Role.CASHIER else Action.SUPERVISOR_PASSWORD
        if reset and (number == "99" or number not in (await self.staff()).operators):
            raise RefusedError(f"The password of {number} cannot be set here.", code="OPR-128")
        if not reset:
            check_may_add(await self.staff(), number)
        approval = await self.approve(body, action, number)
        async with self._gate:
            await self._store(number, new, approval.operator, must_change=True)
        return {"ok": True, "operator": number, "must_change": True}

    async def _delete(self, body: Body, _: Progress) -> Body:
        number = check_number(text_of(body, "number"))
        check_may_delete(await self.staff(), number)
        approval = await self.approve(body, Action.CASHIERS, number)
        async with self._gate:
            check_may_delete(await self.staff(), number)
            await self._note("deleted", approval.operator, {"number": number})
        return {"ok": True, "operator": number}

    async def _lock(self, _: Body, __: Progress) -> Body:
        number = (await self.staff()).signed_in
        if not number:
            raise RefusedError(
                "Nobody is signed in: there is nothing to unlock it with.", code="OPR-126"
            )
        await self._note("locked", number, {})
        return {"ok": True, "operator": number, "locked": True}

    async def _unlock(self, body: Body, _: Progress) -> Body:
        """The operator who locked it, or the supervisor, opens it again."""
        number = check_number(text_of(body, "operator"))
        async with self._gate:
            staff = await self.staff()
            if number not in (staff.signed_in, "00"):
                raise RefusedError(
                    "Only who locked it, or the supervisor, may unlock it.", code="OPR-129"
                )
            await self._check(number, text_of(body, "password"), Action.UNLOCK)
            await self._note("unlocked", number, {})
        return {"ok": True, "operator": number, "locked": False}
