"""Driving a rig by hand: what `posfw sim` asks over the rig's own control socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from posfw.card.scanner import MAX_LINE_BYTES, gtin_ok
from posfw.sim.cards import TEST_PIN, TestCard, deck
from posfw.sim.chip.hand import WAYS, ChipHand
from posfw.sim.reader import Way
from posfw.sim.rig import Rig
from posfw.sim.vivotech import Presented
from posfw.values.errors import CodecError, MisuseError, RefusedError

__all__ = ["LINE", "PRINTER", "RigDesk"]

Body = Mapping[str, Any]
Progress = Callable[[Body], None]
Verb = Callable[[Body, Progress], Awaitable[Body]]
SLOW_S = 1.0
CUSTOMER_S = 10.0  # how long a customer waits for the pad to ask
HOT_C = 79.0  # above every profile's stop, below the mechanism's own
PRINTER = ("paper-out", "cover-open", "hot", "off", "ok")
LINE = ("down", "up", "slow", "lose-answer", "hold-answer", "duplicate-answer", "wrong-mac")


@dataclass(frozen=True, slots=True)
class RigDesk:
    """Verbs over a running rig.

    Attributes:
        around: the rig.
        cards: the deck by name.
        hand: at pcscd's virtual reader, where one runs here (`posfw sim rig --chip`).
    """

    around: Rig
    cards: Mapping[str, TestCard] = field(default_factory=lambda: deck(1))
    hand: ChipHand | None = None

    def verbs(self) -> Mapping[str, Verb]:
        """Return the rig's verbs."""
        return {
            "card_list": self._list,
            "card_swipe": self._swipe,
            "card_present": self._present,
            "card_remove": self._remove,
            "scan": self._scan,
            "pinpad": self._pinpad,
            "line": self._line,
            "printer": self._printer,
            "bank": self._bank,
            "certify": self._certify,
        }

    async def _list(self, _: Body, __: Progress) -> Body:
        return {
            "cards": [
                {"name": card.name, "number": card.number.reveal(), "expiry": card.expiry}
                for card in self.cards.values()
            ]
        }

    def _card(self, body: Body) -> TestCard:
        card = self.cards.get(str(body.get("card", "")))
        if card is None:
            raise CodecError(
                f"There is no test card of that name; known: {', '.join(self.cards)}."
            )
        return card

    async def _present(self, body: Body, _: Progress) -> Body:
        """Tap or insert a card at the reader that waits for one, or into the chip slot."""
        card = self._card(body)
        if self.hand is not None and self.around.neo.active is None and body.get("way") in WAYS:
            return await self._insert(self.hand, card, str(body["way"]))
        ways = {way.value: way for way in Presented}
        way = ways.get(str(body.get("way", "")))
        if way is None:
            raise CodecError(f"The way is one of {', '.join(ways)}.")
        if self.around.neo.active is None:
            raise RefusedError(
                "No reader waits for a card.",
                code="OPR-008",
                next_step="Begin a sale on a board with such a reader: --board host-neo",
            )
        await self.around.neo.present(card, way)
        return {"ok": True, "card": card.name, "number": card.number.masked}

    async def _insert(self, hand: ChipHand, card: TestCard, way: str) -> Body:
        number = card.number
        try:
            await anyio.to_thread.run_sync(
                hand.insert, number.reveal(), card.expiry, TEST_PIN, way
            )
        except OSError as error:
            raise RefusedError(
                "No virtual chip reader listens here.",
                code="OPR-010",
                next_step="Start pcscd with the driver vsmartcard-vpcd.",
            ) from error
        return {"ok": True, "card": card.name, "number": number.masked}

    async def _remove(self, _: Body, __: Progress) -> Body:
        """Take out the card that was left in."""
        if self.hand is not None and self.hand.held is not None:
            return {"ok": True, "was_in": await anyio.to_thread.run_sync(self.hand.remove)}
        was_in, self.around.neo.held = self.around.neo.held, False
        return {"ok": True, "was_in": was_in}

    async def _scan(self, body: Body, _: Progress) -> Body:
        """Scan goods (a GTIN) or anything else, as a QR code."""
        code = str(body.get("code", ""))
        if not 0 < len(code) <= MAX_LINE_BYTES - 5:
            raise CodecError("`code` is what the scanner sees.")
        await self.around.scanner.scan(code, aim=_aim(code))
        return {"ok": True}

    async def _pinpad(self, body: Body, _: Progress) -> Body:
        """Be the customer at the PIN pad, as soon as it asks."""
        pin = body.get("pin")
        with anyio.move_on_after(CUSTOMER_S) as patience:
            await self.around.pad.waiting()
        if patience.cancelled_caught:
            raise RefusedError("The PIN pad asks nobody.", code="OPR-009")
        try:
            await (self.around.pad.give_up() if pin is None else self.around.pad.enter(str(pin)))
        except MisuseError as error:
            raise CodecError("A PIN has 4 to 12 digits.") from error
        return {"ok": True, "asked": self.around.pad.asked[-1].split()}

    async def _swipe(self, body: Body, _: Progress) -> Body:
        card = self._card(body)
        ways = {way.value: way for way in Way}
        way = ways.get(str(body.get("way", "whole")))
        if way is None:
            raise CodecError(f"The way is one of {', '.join(ways)}.")
        if (
            self.around.neo.active is not None
        ):  # that reader asked for a card, so it is at this one
            await self.around.neo.present(card, Presented.SWIPE)
        else:
            await self.around.reader.swipe(card, way=way)
        return {"ok": True, "card": card.name, "number": card.number.masked}

    async def _line(self, body: Body, _: Progress) -> Body:
        what, count = str(body.get("what", "")), body.get("count", 1)
        if what not in LINE or not isinstance(count, int) or count < 1:
            raise CodecError(f"The line can be {', '.join(LINE)}; a count is at least 1.")
        acquirer = self.around.acquirer
        if what in ("down", "up"):
            await acquirer.set_down(down=what == "down")
        if what in ("up", "slow"):
            acquirer.faults.delay_s = SLOW_S if what == "slow" else 0.0
        for name, counter in _COUNTERS.items():
            if what == name:
                setattr(acquirer.faults, counter, count)
        return {"ok": True, "line": what}

    async def _printer(self, body: Body, _: Progress) -> Body:
        what = str(body.get("what", ""))
        if what not in PRINTER:
            raise CodecError(f"The printer can be {', '.join(PRINTER)}.")
        printer, head = self.around.printer, self.around.head
        if what == "paper-out":
            printer.end_paper()
        elif what == "cover-open":
            printer.open_cover()
        elif what == "hot":
            head.set_body(HOT_C)
        elif what == "off":
            printer.switch(on=False)
        else:
            printer.switch(on=True)
            printer.load_paper()
            printer.close_cover()
            head.set_body(head.ambient_c)
        return {
            "ok": True,
            "printer": what,
            "head_c": round(head.settle(), 1),
            "slips": len(printer.slips),
        }

    async def _bank(self, _: Body, __: Progress) -> Body:
        return self.around.acquirer.bank.snapshot()

    async def _certify(self, body: Body, _: Progress) -> Body:
        """Answer an activation file as the bank does."""
        bank = self.around.acquirer.certifier
        try:
            file = bytes.fromhex(str(body.get("file", "")))
        except ValueError as error:
            raise CodecError("`file` is hexadecimal.") from error
        if bank is None:
            raise RefusedError("This bank certifies no terminals.")
        return {"ok": True, "file": bank.certify(file).hex()}


def _aim(code: str) -> str:
    if gtin_ok(code) and len(code) in _AIMS:
        return _AIMS[len(code)]
    return "]Q1"


_AIMS = {13: "]E0", 8: "]E4"}
_COUNTERS = {
    "lose-answer": "lose_answers",
    "hold-answer": "hold_answers",
    "duplicate-answer": "duplicate_answers",
    "wrong-mac": "wrong_macs",
}
