"""What the simulated acquirer does with money: bank, its own ledger, and what it asks of chips.

The line, the session and who may talk stand in `sim.acquirer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from posfw.crypto.dukpt import initial_key
from posfw.crypto.pin_block import pan_field, pin_of
from posfw.keys.software import SoftwareElement
from posfw.sim.bank import WAITING, Bank, Place, Verdict
from posfw.sim.cards import TEST_PIN
from posfw.sim.certifier import Certifier
from posfw.sim.chip.issuer import Issuer, Script
from posfw.sim.ledger import Ledger
from posfw.uplink.messages import Field, InquiryState, Message
from posfw.uplink.session import Opened, open_card
from posfw.values.card import CardRead, EntryMode
from posfw.values.identity import Key

__all__ = ["Payments", "details_of", "ok", "place_of"]

FORMAT_ERROR = "30"  # ISO 8583
WRONG_CRYPTOGRAM = "05"
WRONG_PIN = "55"
BALANCE_MINOR = 1_234_500  # of every account
CODE_VALID_S = 60

_STATES = {
    "approved": InquiryState.APPROVED,
    "declined": InquiryState.DECLINED,
    "reversed": InquiryState.REVERSED,
    "not_found": InquiryState.NOT_FOUND,
    "waiting": InquiryState.WAITING,
}


@dataclass(slots=True, kw_only=True)
class Payments:
    """Answers every message that belongs to a transaction or a batch.

    Attributes:
        bank: the issuer's books.
        ledger: the acquirer's own; it judges settlements.
        issuer: checks the cryptograms of chips and answers them.
        scripts: what the issuer has for the next chips.
        certifier: is told what was settled, for the next activation.
        valid_s: how long a code may be paid.
        pin_base_key: base derivation key of the PIN pads; without it no PIN is looked at.
        pins: PINs by card number; every other card has `TEST_PIN`.
        pins_seen: how many PINs were right and wrong.
        entry_modes: of the authorisation requests, in order.
    """

    bank: Bank = field(default_factory=Bank)
    ledger: Ledger = field(default_factory=Ledger)
    issuer: Issuer = field(default_factory=Issuer)
    scripts: Sequence[Script] = ()
    certifier: Certifier | None = None
    valid_s: int = CODE_VALID_S
    pin_base_key: bytes = field(default=b"", repr=False)
    pins: dict[str, str] = field(default_factory=dict, repr=False)
    pins_seen: Counter[str] = field(default_factory=Counter)
    entry_modes: list[int] = field(default_factory=list)

    def voucher(self, request: Opened) -> dict[Field, Any]:
        """Keep what belongs to one transaction; a repeat is 94."""
        kept = self.ledger.vouchers.setdefault(place_of(request.message), [])
        name = request.message.type.name.lower()
        if name in kept:
            return {Field.RESPONSE_CODE: "94"}
        kept.append(name)
        return ok()

    def authorise(self, request: Opened) -> dict[Field, Any]:
        """Ask the bank; a chip must have made its cryptogram over this very transaction."""
        fields, place = request.message.fields, place_of(request.message)
        kind, minor = str(fields.get(Field.KIND)), _number(fields.get(Field.AMOUNT))
        self.entry_modes.append(_number(fields.get(Field.ENTRY_MODE)))
        chip = _chip(request)
        if chip is not None and not self._genuine(chip):
            # Remembered as any decline: a repeat and an inquiry hear the same.
            return _verdict_fields(self.bank.answers.setdefault(place, Verdict(WRONG_CRYPTOGRAM)))
        if not self._pin_fits(request):
            return _verdict_fields(self.bank.answers.setdefault(place, Verdict(WRONG_PIN)))
        verdict = self.bank.authorise(
            place,
            kind=kind,
            amount=minor,
            card=_card(request),
            original=_original(request),
        )
        if verdict.code == "00":
            self.ledger.move(place, kind, minor)
        if verdict.code == WAITING:
            return _verdict_fields(verdict) | self._code(request)
        told = {Field.BALANCE: BALANCE_MINOR} if kind == "balance" else {}
        return _verdict_fields(verdict) | told | self._issuer_data(chip, verdict.code)

    def _pin_fits(self, request: Opened) -> bool:
        """Whether the message carries no PIN, or the card's own (docs/wire.md, Protection)."""
        block = request.message.fields.get(Field.PIN_BLOCK)
        if not isinstance(block, bytes) or not self.pin_base_key:
            return True
        block, serial = (
            block[:16],
            block[16:] or request.key_id + request.counter.to_bytes(4, "big"),
        )
        key_id, counter = serial[:8], int.from_bytes(serial[8:], "big")
        own = SoftwareElement(initial_key(self.pin_base_key, key_id), key_id, bytes(32))
        number = _card(request)
        pin = pin_of(own.pin_key(counter).decrypt(block[:16], pan_field(number))) if number else ""
        right = bool(pin) and pin == self.pins.get(number, TEST_PIN)
        self.pins_seen["right" if right else "wrong"] += 1
        return right

    def _genuine(self, chip: CardRead) -> bool:
        """Whether the card itself made the cryptogram (ARQC), over this very transaction."""
        number, sequence = chip.number.reveal(), chip.sequence or 0
        return self.issuer.genuine(chip.emv.reveal(), number, sequence)

    def _issuer_data(self, chip: CardRead | None, code: str) -> dict[Field, Any]:
        """Answer a chip with ARPC and scripts."""
        if chip is None:
            return {}
        data = self.issuer.answer(
            chip.emv.reveal(),
            chip.number.reveal(),
            chip.sequence or 0,
            code=code,
            scripts=self.scripts,
        )
        return {Field.ISSUER_DATA: data} if data else {}

    def advice(self, request: Opened) -> dict[Field, Any]:
        """Take what the terminal has approved by itself."""
        fields, place = request.message.fields, place_of(request.message)
        kind, minor = str(fields.get(Field.KIND)), _number(fields.get(Field.AMOUNT))
        verdict = self.bank.advise(
            place, kind=kind, amount=minor, card=_card(request), original=_original(request)
        )
        if verdict.code == "00":
            self.ledger.move(place, kind, minor)
        return _verdict_fields(verdict)

    def reversal(self, request: Opened) -> dict[Field, Any]:
        """Undo a key, seen or not."""
        place = place_of(request.message)
        verdict = self.bank.reverse(place)
        if verdict.code in ("00", "25"):
            self.ledger.undo(place)
        return _verdict_fields(verdict)

    def inquiry(self, request: Opened) -> dict[Field, Any]:
        """Tell how a key stands; a close ends it first where it is not paid."""
        place, closes = place_of(request.message), Field.CLOSE in request.message.fields
        state, verdict = self.bank.close(place) if closes else self.bank.inquire(place)
        paid = self.bank.postings.get(place)
        if state == "approved" and paid is not None:
            self.ledger.move(place, paid.kind, paid.amount)  # paid since it was asked for
        told = self._code(request) if state == "waiting" else {}
        return _verdict_fields(verdict) | {Field.INQUIRY_STATE: int(_STATES[state])} | told

    def _code(self, request: Opened) -> dict[Field, Any]:
        """Return what the payer's telephone scans, where the payer showed no code."""
        terminal, batch, stan = place = place_of(request.message)
        told: dict[Field, Any] = {Field.VALID_S: self.valid_s}
        payer = self.bank.waiting.get(place)
        if payer is not None and not payer.card:
            told[Field.PAY_CODE] = f"https://pay.example/{terminal}{batch:06d}{stan:06d}"
        return told

    def settle(self, request: Opened) -> dict[Field, Any]:
        """Compare totals with the ledger and tell its records."""
        message = request.message
        told = details_of(request)
        ours = self.ledger.totals(message.terminal, message.batch)
        balanced = all(told.get(name) == value for name, value in ours.items())
        records = self.ledger.records(message.terminal, message.batch)
        if self.certifier is not None:
            net_minor = ours["debit_minor"] - ours["credit_minor"]
            self.certifier.settled_minor[message.terminal] = net_minor
        return ok() | {
            Field.DETAILS: {"result": 1 if balanced else 2, **ours},
            Field.RECORDS: records,
        }

    def upload(self, request: Opened) -> dict[Field, Any]:
        """Keep a part of a batch upload (STAN 0), or what one transaction still owed."""
        message = request.message
        if message.stan:
            return self.voucher(request)
        rows = message.fields.get(Field.RECORDS)
        if not isinstance(rows, list) or not all(_is_record(row) for row in rows):
            return {Field.RESPONSE_CODE: FORMAT_ERROR}
        received = self.ledger.upload(message.terminal, message.batch, rows)
        unlike = self.ledger.unlike(message.terminal, message.batch)
        return ok() | {Field.DETAILS: {"received": received, "unlike": unlike}}


def details_of(request: Opened) -> Mapping[str, Any]:
    """Return the map of a management message, empty where it has none."""
    details = request.message.fields.get(Field.DETAILS)
    return details if isinstance(details, Mapping) else {}


def _is_record(row: object) -> bool:
    """[STAN, minor units, direction, ...] with room for what later versions add."""
    return isinstance(row, list) and len(row) >= 3 and all(type(each) is int for each in row[:3])


def host_now() -> datetime:
    """Return the acquirer's clock; simulations on virtual time put theirs here."""
    return datetime.now().astimezone()


def ok() -> dict[Field, Any]:
    """Return code 00 and the time."""
    return {Field.RESPONSE_CODE: "00", Field.HOST_TIME: host_now().strftime("%Y%m%d%H%M%S")}


def _verdict_fields(verdict: Verdict) -> dict[Field, Any]:
    fields: dict[Field, Any] = {Field.RESPONSE_CODE: verdict.code}
    if verdict.auth_code:
        fields[Field.AUTH_CODE] = verdict.auth_code
    if verdict.reference:
        fields[Field.REFERENCE] = verdict.reference
    return fields


def place_of(message: Message) -> Place:
    """Return the books' key of a transaction."""
    return (message.terminal, message.batch, message.stan)


def _original(request: Opened) -> Place | None:
    named: Any = request.message.fields.get(Field.ORIGINAL)  # its shape was checked by the codec
    return (named[0], named[1], named[2]) if named is not None else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _card(request: Opened) -> str:
    card = _read(request)
    return card.number.reveal() if card else ""


def _chip(request: Opened) -> CardRead | None:
    """Return the card that was inserted or tapped."""
    card = _read(request)
    return card if card is not None and card.entry_mode in _CHIPS else None


_CHIPS = (EntryMode.CHIP, EntryMode.CONTACTLESS)


def _read(request: Opened) -> CardRead | None:
    sealed = request.message.fields.get(Field.CARD)
    if not isinstance(sealed, bytes):
        return None
    key = Key(*place_of(request.message))
    return open_card(sealed, key=key, element=request.element)
