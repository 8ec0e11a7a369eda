"""A till for tests of ways to pay: real cashier, sales and journal, and a bank without a wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio

from posfw.app.cards import CardDesk
from posfw.app.cashier import Cashier
from posfw.app.session import Session
from posfw.app.since import since
from posfw.board.site import parse_site
from posfw.journal.store import Journal
from posfw.keys.software import SoftwareElement
from posfw.sale.family import Rules
from posfw.sale.limits import Limits
from posfw.sale.plans import Plan
from posfw.sale.task import Sales
from posfw.sim.bank import WAITING, Bank, Place, Verdict
from posfw.values.card import CardRead
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.outcome import (
    Answer,
    Approved,
    Declined,
    NotFound,
    Outcome,
    Unknown,
    Unreachable,
    Waiting,
)
from posfw.values.texts import Texts
from posfw.values.transaction import Begun, OwedKind
from tests.app.fakes import SetClock, opened

PLANS = (Plan("YH03", 3, 18_000, 60_000),)
RULES = Rules(telephone_minor=50_000, plans=PLANS)
KEYED = {"keyed": {"pan": "6212345678901232", "expiry": "3012"}}
SITE = """
[merchant]
name = "Shop"
id = "898110154110001"
[terminal]
id = "12345678"
[acquirer]
name = "Acquirer"
addresses = ["127.0.0.1:1"]
server_name = "acquirer"
ca = "ca"
certificate = "certificate"
key = "key"
[timing]
qr_poll_s = 0.01
"""


def place_of(key: Key) -> Place:
    return key.terminal, key.batch, key.stan


@dataclass
class BankLine:
    """ports.Acquirer straight into a bank; `lost` takes away answers that were asked for."""

    bank: Bank = field(default_factory=Bank)
    down: bool = False
    lost: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        if self.down:
            return Unreachable("the line is down")
        intent = begun.intent
        verdict = self.bank.authorise(
            place_of(begun.key),
            kind=intent.kind.value,
            amount=intent.amount.minor,
            card=card.number.reveal() if card else "",
            original=place_of(intent.original) if intent.original else None,
        )
        if "authorise" in self.lost:
            return Unknown("lost")
        return self._outcome(verdict, begun.key)

    async def inquire(self, key: Key) -> Outcome:
        return self._how("inquire", key)

    async def close(self, key: Key) -> Outcome:
        return self._how("close", key)

    def _how(self, what: str, key: Key) -> Outcome:
        self.asked.append(what)
        if self.down:
            return Unreachable("the line is down")
        place = place_of(key)
        state, verdict = self.bank.close(place) if what == "close" else self.bank.inquire(place)
        if what in self.lost:
            return Unknown("lost")
        if state == "not_found":
            return NotFound()
        if state == "reversed":
            return Declined(Answer("00"))
        return self._outcome(verdict, key)

    def _outcome(self, verdict: Verdict, key: Key) -> Outcome:
        if verdict.code == WAITING:
            payer = self.bank.waiting[place_of(key)]
            return Waiting("" if payer.card else f"https://pay.example/{key.stan}", 60)
        answer = Answer(verdict.code, verdict.auth_code, verdict.reference)
        return Approved(answer) if verdict.code == "00" else Declined(answer)

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        return b"sealed"

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        raise AssertionError("no management message is needed here")

    @property
    def online(self) -> bool:
        return not self.down


@dataclass
class Till:
    """Everything around one cashier."""

    journal: Journal
    line: BankLine
    clock: SetClock
    cashier: Cashier

    @property
    def bank(self) -> Bank:
        return self.line.bank

    async def do(self, part: Any, verb: str, /, **body: Any) -> Any:
        """Ask a part of the till; what it is told on the way is `told`."""
        self.told: list[Mapping[str, Any]] = []
        return await part.verbs()[verb](body, self.told.append)

    async def sale(self, minor: int, **more: Any) -> str:
        amount = f"{minor // 100}.{minor % 100:02d}"
        result = await self.do(self.cashier, "sale", amount=amount, **KEYED, **more)
        assert result["ending"] == "success", result
        return str(result["key"])

    async def deliver(self) -> list[str]:
        """Send what is owed, in order; return the bank's codes."""
        codes = []
        for owed in await self.journal.owed(64):
            found = await self.journal.transaction(owed.key)
            assert found is not None
            intent = found.begun.intent
            if owed.kind is OwedKind.REVERSAL:
                code = self.bank.reverse(place_of(owed.key)).code
            else:
                code = self.bank.advise(
                    place_of(owed.key),
                    kind=intent.kind.value,
                    amount=intent.amount.minor,
                    card="",
                    original=place_of(intent.original) if intent.original else None,
                ).code
            codes.append(code)
            await self.journal.acknowledge(owed, code, self.clock.now())
        return codes

    async def agrees(self) -> bool:
        """Whether the open batch is the bank's, record by record."""
        standing = await self.journal.standing()
        ours = [
            [t.key.stan, t.begun.intent.amount.minor, t.begun.intent.kind.direction]
            for t in await self.journal.transactions()
            if t.counts
        ]
        return sorted(ours) == self.bank.records("12345678", standing.batch)


@asynccontextmanager
async def till(
    folder: Path, rules: Rules = RULES, limits: Limits | None = None
) -> AsyncIterator[Till]:
    clock, line = SetClock(), BankLine()
    async with opened(folder, clock) as journal:
        if not (await journal.standing()).signed_on:
            await journal.append(Record(Topic.SESSION, "signed_on", clock.now()))
        sales = Sales(
            journal=journal,
            acquirer=line,
            clock=clock,
            limits=limits or Limits(),
            inquiry_timeout_s=1.0,
            lock=anyio.Lock(),
            since=partial(since, journal),
            rules=rules,
            batch=journal.transactions,
        )
        cashier = Cashier(
            sales=sales,
            journal=journal,
            session=cast("Session", None),  # no test here asks how it all stands
            desk=CardDesk(),
            element=SoftwareElement(bytes(range(32)), b"POSFW001", b"t" * 32),
            clock=clock,
            site=parse_site(SITE, source="site"),
            texts=Texts("en"),
            stop=lambda: None,
            settle=_no_settlement,
        )
        yield Till(journal, line, clock, cashier)


async def _no_settlement() -> Mapping[str, Any]:
    raise AssertionError("nothing is settled here")
