"""扫码: paid with a telephone. The shop scans the payer's code, or shows one that the payer scans.

A payment code pays once and is handled as a card number: sealed on the line, masked everywhere
else. Codes of 16 to 19 digits are taken (支付宝, 微信, 云闪付 have 18 and 19).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anyio

from posfw.app.answers import refusal_answer
from posfw.app.cashier import Cashier
from posfw.app.scans import Code
from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.ports import Clock
from posfw.sale.limits import Refusal
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.identity import Key
from posfw.values.money import Money, parse_amount
from posfw.values.outcome import Outcome, Waiting
from posfw.values.transaction import Begun, Intent, Kind

__all__ = ["VERBS", "QrDesk", "Telephone"]

VERBS = ("qr_pay", "qr_show", "qr_cancel")
MOST_S = 180.0  # nobody stands at a till for longer; the acquirer's own limit may be shorter
_PAYMENT_CODE = re.compile("[0-9]{16,19}")

Close = Callable[[Key], Awaitable[Outcome]]
NextCode = Callable[[float], Awaitable[Code | None]]


async def _no_scanner(_: float) -> Code | None:
    return None


@dataclass(slots=True)
class Telephone:
    """`sale.payer.Payer`: waits in steps until paid, given up or out of time.

    Attributes:
        closing: tells the acquirer to take no payment any more.
        clock: its monotonic seconds count the time.
        poll_s: between two questions to the acquirer.
        most_s: for the whole of it, where the acquirer allows more or does not say.
        given_up: set by whoever cancels.
    """

    closing: Close
    clock: Clock
    poll_s: float
    most_s: float = MOST_S
    given_up: anyio.Event = field(default_factory=anyio.Event)
    _until: float | None = None

    async def wait(self, begun: Begun, waiting: Waiting) -> bool:
        """Let the payer act for a while; see `Payer`."""
        del begun
        now = self.clock.monotonic()
        if self._until is None:
            self._until = now + min(waiting.valid_s or self.most_s, self.most_s)
        with anyio.move_on_after(max(0.0, min(self.poll_s, self._until - now))):
            await self.given_up.wait()
        return self.given_up.is_set() or self.clock.monotonic() >= self._until

    async def close(self, key: Key) -> Outcome:
        """Tell the acquirer to take no payment any more; see `Payer`."""
        return await self.closing(key)


@dataclass(slots=True)
class QrDesk:
    """Verbs over the cashier.

    Attributes:
        closing: `Uplink.close`.
        next_code: the scanner's next payment code within so many seconds.
    """

    cashier: Cashier
    closing: Close
    next_code: NextCode = _no_scanner
    _payer: Telephone | None = None

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs, `VERBS`."""
        return {"qr_pay": self._pay, "qr_show": self._show, "qr_cancel": self._cancel}

    async def _pay(self, body: Body, progress: Progress) -> Body:
        """被扫: take the payer's code, typed or scanned."""
        amount, operator = await self._asked(body)
        refusal = await self._refusal(operator, amount)
        code = refusal or await self._code(body, amount, progress)
        if isinstance(code, Refusal):
            return refusal_answer(code, self.cashier.texts)
        card = CardRead(CardNumber(code), EntryMode.QR)
        intent = self.cashier.intent(Kind.QR_SALE, amount, card, operator, body)
        return await self._run(intent, card, progress)

    async def _show(self, body: Body, progress: Progress) -> Body:
        """主扫: show a code of the acquirer's until it is paid, out of time or given up."""
        amount, operator = await self._asked(body)
        refusal = await self._refusal(operator, amount)
        if refusal is not None:
            return refusal_answer(refusal, self.cashier.texts)
        intent = Intent(
            kind=Kind.QR_SALE,
            amount=amount,
            entry_mode=EntryMode.QR,
            card_masked="",
            card_token=b"",
            operator=operator,
            at=self.cashier.clock.now(),
            note=str(body.get("note", ""))[:40],
            test=self.cashier.gate is None,
            request=str(body.get("intent", "")),
        )
        return await self._run(intent, None, progress)

    async def _cancel(self, _: Body, __: Progress) -> Body:
        """Give up waiting; whoever waits is told how it ended."""
        payer = self._payer
        if payer is not None:
            payer.given_up.set()
        return {"ok": payer is not None}

    async def _asked(self, body: Body) -> tuple[Money, str]:
        amount = parse_amount(text_of(body, "amount"))
        return amount, await self.cashier.who(body, "01")

    async def _refusal(self, operator: str, amount: Money) -> Refusal | None:
        gate = self.cashier.gate
        return await gate.sale(operator, amount) if gate else None

    async def _code(self, body: Body, amount: Money, progress: Progress) -> str | Refusal:
        if "code" in body:
            read: Code | None = text_of(body, "code").strip()
            text = str(read)
        else:
            shown = self.cashier.texts("Scan the customer's code: {amount}", amount=str(amount))
            progress({"screen": "scan", "amount": str(amount), "text": shown})
            read = await self.next_code(self.cashier.site.timing.card_s)
            text = "" if read is None or isinstance(read, str) else read.reveal().decode()
        if not _PAYMENT_CODE.fullmatch(text):
            return Refusal("SAL-220", "This is not a payment code.", "Scan it again.")
        return text

    async def _run(self, intent: Intent, card: CardRead | None, progress: Progress) -> Body:
        if self.cashier.sales.lock.locked():
            return refusal_answer(
                Refusal(
                    "SAL-101", "Another transaction has not ended.", "Wait until it has ended."
                ),
                self.cashier.texts,
            )
        poll_s = self.cashier.site.timing.qr_poll_s
        self._payer = payer = Telephone(self.closing, self.cashier.clock, poll_s)
        try:
            return await self.cashier.run(intent, card, progress, payer)
        finally:
            if self._payer is payer:
                self._payer = None
