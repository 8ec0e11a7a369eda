"""The people in a shop: a cashier at the control socket, customers with cards, who puts in paper.

They know only what a screen, a card reader and paper tell them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import anyio

from posfw.sim.cards import TestCard, deck
from posfw.sim.reader import Way, pieces
from tests.simulation.books import Books
from tests.simulation.oracle import Place
from tests.simulation.shop import Shop
from tests.simulation.wires import End

__all__ = ["Cashier"]

Body = Mapping[str, Any]
OPEN_H: Final = (9, 22)
SETTLE_H: Final = 23
PATIENCE_S: Final = 300.0
MORE_PATIENCE_S: Final = 120.0


class Cashier:
    """Sells, takes back, settles; after a mishap asks and tries again."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.approved: list[tuple[str, int]] = []
        self._chance = Random(f"people {shop.options.seed}")
        self._cards = [card for card in deck(shop.options.seed).values() if _stripe(card)]
        self._presses = 0
        self._settled_on = -1
        self._helpers: set[asyncio.Task[Any]] = set()

    # --- the control socket ---------------------------------------------------------------------

    async def ask(
        self,
        body: Body,
        progress: Callable[[Body], None] = lambda _: None,
        *,
        leaves_after_s: float = PATIENCE_S,
    ) -> Body | None:
        """Ask the terminal; None when it is off, silent, or one has left."""
        shop = self.shop
        if not shop.ready or not shop.door.open:
            return None
        end = shop.door.enter()
        answer: Body | None = None
        with anyio.move_on_after(leaves_after_s):
            answer = await _talk(end, body, progress)
        end.cut()
        shop.trace("asked", dict(body), answer)
        return answer

    # --- the day --------------------------------------------------------------------------------

    async def work(self) -> None:
        """Trade until cancelled."""
        shop = self.shop
        while True:
            hour = shop.clock.now().hour
            if hour == SETTLE_H and self._settled_on != self._day():
                await self._evening()
            if OPEN_H[0] <= hour < OPEN_H[1]:
                pause_s = (OPEN_H[1] - OPEN_H[0]) * 3600 / shop.options.sales_a_day
                await anyio.sleep(self._chance.expovariate(1 / pause_s))
                await self._act()
            else:
                await anyio.sleep(self._chance.uniform(300, 900))

    def _day(self) -> int:
        return int(self.shop.loop.time() // 86_400)

    async def _evening(self) -> None:
        if await self.settle():
            self._settled_on = self._day()
            if self._chance.random() < self.shop.options.rate("settled_twice"):
                self.shop.trace.fault("settled_twice")
                await self.settle()
        await anyio.sleep(200)

    async def settle(self) -> bool:
        """Press settle once; True when the slip's numbers were shown."""
        result = (await self.ask({"do": "settle"}) or {}).get("result")
        if result is None:
            return False
        self.shop.oracle.balanced(result, self._books())
        self.approved.clear()
        return True

    async def _act(self) -> None:
        options, draw = self.shop.options, self._chance.random()
        if self.approved and draw < options.void_share:
            await self._take_back("void")
        elif self.approved and draw < options.void_share + options.refund_share:
            await self._take_back("refund")
        elif self.approved and self._happens("printed_again"):
            key, _ = self._chance.choice(self.approved)
            await self.ask({"do": "reprint", "key": key})
        else:
            await self.sell()
        if self._chance.random() < 0.1:
            await self.look_after_paper()

    def _happens(self, fault: str) -> bool:
        if self.shop.healed or self._chance.random() >= self.shop.options.rate(fault):
            return False
        self.shop.trace.fault(fault)
        return True

    # --- money ----------------------------------------------------------------------------------

    async def sell(self) -> str:
        """Serve one customer; return how it was told to end."""
        minor = self._chance.randrange(1, 30_000)
        press = self._press()
        body: dict[str, Any] = {"do": "sale", "amount": f"{minor / 100:.2f}", "note": press}
        card = self._chance.choice(self._cards)
        keyed = self._chance.random() < self.shop.options.keyed_share
        if keyed:
            body["keyed"] = {"pan": card.number.reveal(), "expiry": card.expiry}
        elif self._happens("pressed_twice"):
            self._helper(self._money(press, body, minor, None))
            await anyio.sleep(self._chance.uniform(0.01, 3.0))
        return await self._money(press, body, minor, None if keyed else card)

    async def _take_back(self, kind: str) -> None:
        key, minor = self._chance.choice(self.approved)
        body: dict[str, Any] = {"do": kind, "key": key}
        if kind == "refund":
            minor = self._chance.randrange(1, minor + 1)
            body["amount"] = f"{minor / 100:.2f}"
        await self._money(self._press(), body, minor, None)

    async def _money(self, press: str, body: Body, minor: int, card: TestCard | None) -> str:
        shop = self.shop

        def progress(told: Body) -> None:
            if told.get("screen") == "present_card" and card is not None:
                self._helper(self._swipe(card))
            if told.get("screen") == "asking":
                shop.oracle.asking(press, told["key"])

        leaves = self._chance.uniform(0.0, 20.0) if self._happens("client_gone") else PATIENCE_S
        answer = await self.ask(body, progress, leaves_after_s=leaves) or {}
        if "error" in answer:
            await self._trouble(answer["error"])
        result = answer.get("result", {})
        shop.oracle.ended(press, result, minor, self._books())
        kind = str(result.get("kind", ""))
        if kind.startswith("approved") and body["do"] == "sale":
            self.approved = [*self.approved[-20:], (result["key"], minor)]
        if result.get("code") == "SET-102":
            await self.ask({"do": "sign_on"})
        if result.get("code") in ("SET-101", "SET-103", "SET-104"):
            await self.settle()
        return kind

    async def _swipe(self, card: TestCard) -> None:
        """A customer finds the card and swipes it, sometimes badly first."""
        await anyio.sleep(self._chance.uniform(1.0, 20.0))
        if self._happens("walked_away"):
            return
        if self._happens("bad_swipe"):
            way = self._chance.choice((Way.BAD_TRACK, Way.NOISE, Way.HALF_LINE))
        else:
            way = self._chance.choice((Way.WHOLE, Way.BYTE_BY_BYTE))
        for piece in pieces(card, way, seed=self._presses):
            if self.shop.reader is not None:
                self.shop.reader.take_out(piece)

    async def _trouble(self, error: Body) -> None:
        """The journal is out of service: read it again, or switch off and on."""
        self.shop.trace("told", error["code"])
        if str(error["code"]).startswith("JRN"):
            answer = await self.ask({"do": "journal_reopen"}) or {}
            if "error" in answer:
                await self.ask({"do": "stop"})

    # --- paper ----------------------------------------------------------------------------------

    async def look_after_paper(self) -> None:
        """Decide about slips that nobody knows: print again, or not."""
        status = (await self.ask({"do": "status"}) or {}).get("result", {})
        if status.get("unknown_prints"):
            decision = self._chance.choice(("reprint", "void"))
            await self.ask({"do": "unknown_prints", "decision": decision})

    async def read_paper(self) -> None:
        """Look at every slip that comes out, until cancelled."""
        seen = 0
        while True:
            await anyio.sleep(5.0)
            while seen < len(self.shop.printer.slips):
                self._read(self.shop.printer.slips[seen].text)
                seen += 1

    def _read(self, text: str) -> None:
        self.shop.trace("slip", text)
        for part in text.split("SALES SLIP")[1:]:
            place = _voucher(part)
            if place is None or "TOTAL" in part:
                continue
            copy = "merchant" if "MERCHANT COPY" in part else "cardholder"
            self.shop.oracle.printed(
                place,
                copy,
                duplicate="DUPLICATE" in part,
                valid="NOT VALID" not in part,
                books=self._books(),
            )

    # --- inside ---------------------------------------------------------------------------------

    def _press(self) -> str:
        self._presses += 1
        return f"press-{self._presses:05d}"

    def _books(self) -> Books | None:
        return self.shop.books() if self.shop.ready else None

    def _helper(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)


async def _talk(end: End, body: Body, progress: Callable[[Body], None]) -> Body | None:
    waiting = b""
    try:
        await end.send(json.dumps(body).encode() + b"\n")
        while True:
            waiting += await end.receive()
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                told: dict[str, Any] = json.loads(line)
                if "progress" in told:
                    progress(told["progress"])
                else:
                    return told
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        return None


def _stripe(card: TestCard) -> bool:
    """Whether a stripe reader alone may take it: no chip."""
    return card.service_code[:1] not in ("2", "6")


def _voucher(text: str) -> Place | None:
    """Return batch and STAN as a receipt names them."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        for name in ("BATCH NO.", "VOUCHER NO."):
            digits = line.rpartition(" ")[2]
            if line.startswith(name) and digits.isdigit():
                found.setdefault(name, int(digits))
    return (found["BATCH NO."], found["VOUCHER NO."]) if len(found) == 2 else None
