from __future__ import annotations

from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.sim.acquirer import Acquirer
from posfw.uplink.messages import Field, InquiryState, Message, MessageType
from posfw.uplink.session import open_answer, protect_request
from posfw.values.events import Plain

TERMINAL, MERCHANT = "12345678", "898110154110001"
KEY_ID = bytes.fromhex("1234567890123456")
BASE_KEY = bytes(range(32))
ELEMENT = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, bytes(32))


class Talk:
    """A terminal that asks one thing after the other, each under its own counter."""

    def __init__(self) -> None:
        self.acquirer = Acquirer(BASE_KEY)
        self.counter = 0

    def ask(self, kind: MessageType, stan: int, fields: dict[Field, Plain]) -> dict[Field, Plain]:
        self.counter += 1
        message = Message(kind, TERMINAL, MERCHANT, 1, stan, fields)
        made = protect_request(message, ELEMENT, self.counter)
        (answer,) = self.acquirer.answers(made.data)
        return dict(open_answer(answer, element=ELEMENT, request=made).fields)

    def pay(self, stan: int, kind: str, minor: int, **more: object) -> dict[Field, Plain]:
        fields: dict[Field, Plain] = {Field.KIND: kind, Field.AMOUNT: minor, Field.CURRENCY: 156}
        way = MessageType.ADVICE if more.pop("advice", False) else MessageType.AUTHORISE
        if more:
            fields[Field.ORIGINAL] = [TERMINAL, 1, more["original"]]  # type: ignore[list-item]  # a STAN
        return self.ask(way, stan, fields)


def test_a_code_to_be_shown_is_paid_and_is_in_both_books() -> None:
    talk = Talk()
    shown = talk.pay(1, "qr_sale", 1000)
    assert shown[Field.RESPONSE_CODE] == "09"
    assert str(shown[Field.PAY_CODE]).startswith("https://")
    assert shown[Field.VALID_S] == talk.acquirer.valid_s
    again = talk.ask(MessageType.INQUIRY, 1, {})
    assert again[Field.INQUIRY_STATE] == InquiryState.WAITING
    assert again[Field.PAY_CODE] == shown[Field.PAY_CODE]
    assert talk.acquirer.ledger.records(TERMINAL, 1) == []
    paid = talk.ask(MessageType.INQUIRY, 1, {})
    assert paid[Field.INQUIRY_STATE] == InquiryState.APPROVED
    expected = [[1, 1000, 1]]
    assert talk.acquirer.bank.records(TERMINAL, 1) == expected
    assert talk.acquirer.ledger.records(TERMINAL, 1) == expected


def test_a_close_tells_that_it_was_paid_before_or_takes_no_payment_any_more() -> None:
    talk = Talk()
    talk.acquirer.bank.pays_after = None
    for stan in (1, 2):
        talk.pay(stan, "qr_sale", 1000)
    talk.acquirer.bank.pay((TERMINAL, 1, 1))
    close: dict[Field, Plain] = {Field.CLOSE: True}
    assert talk.ask(MessageType.INQUIRY, 1, close)[Field.INQUIRY_STATE] == InquiryState.APPROVED
    closed = talk.ask(MessageType.INQUIRY, 2, close)
    assert closed[Field.INQUIRY_STATE] == InquiryState.DECLINED
    assert closed[Field.RESPONSE_CODE] == "17"
    assert talk.acquirer.ledger.records(TERMINAL, 1) == [[1, 1000, 1]]


def test_what_was_paid_and_reversed_unasked_is_in_neither_book() -> None:
    talk = Talk()
    talk.acquirer.bank.pays_after = None
    talk.pay(1, "qr_sale", 1000)
    talk.acquirer.bank.pay((TERMINAL, 1, 1))
    assert talk.ask(MessageType.REVERSAL, 1, {Field.REASON: "98"})[Field.RESPONSE_CODE] == "00"
    assert talk.acquirer.bank.records(TERMINAL, 1) == []
    assert talk.acquirer.ledger.records(TERMINAL, 1) == []


def test_an_advice_names_its_original() -> None:
    talk = Talk()
    talk.pay(1, "sale", 1000)
    assert talk.pay(2, "tip", 100, original=1, advice=True)[Field.RESPONSE_CODE] == "00"
    assert talk.pay(3, "tip", 100, original=9, advice=True)[Field.RESPONSE_CODE] == "25"
    assert talk.pay(4, "void", 1100, original=1)[Field.RESPONSE_CODE] == "00"
    assert talk.acquirer.bank.records(TERMINAL, 1) == talk.acquirer.ledger.records(TERMINAL, 1)
